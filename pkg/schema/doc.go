// Package schema treats the schema of an Apache Cassandra ring as data: it
// splits and classifies the rows of DESCRIBE SCHEMA WITH INTERNALS, compares
// the schema of a backup with a live one, and writes the DDL that turns the
// live one into the backup's. It talks to nobody; the only inputs are rows.
//
// Everything reads CQL through one tokenizer, so that names and literals with
// semicolons, quotes or comment marks in them are data. All statements this
// package writes are complete, without a trailing semicolon, qualified with
// their keyspace, and meant to be sent one by one over the native protocol.
//
// What DESCRIBE prints and what it leaves out was read in
// org.apache.cassandra.cql3.statements.DescribeStatement and
// org.apache.cassandra.schema.{TableMetadata,ViewMetadata,IndexMetadata} of
// 4.0 to 5.0 and seen on 4.0.19, 4.1.10 and 5.0.9; testdata holds rows of them:
//   - one table row may hold several statements (dropped columns);
//   - a COMPACT STORAGE table stands inside a comment, which may hold another
//     end-of-comment mark in a literal;
//   - triggers are missing, and so is the USING of an index of the old kind;
//   - keyspace_name and name are quoted where CQL needs it.
package schema
