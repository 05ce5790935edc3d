// Package contract checks requests and answers against the OpenAPI document of the real Management API, for tests.
package contract

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Contract is the document.
type Contract struct{ router routers.Router }

// Load reads the document from a file. It calls some bodies strings where the real one sends objects or lists, as its own
// examples show; here they are what is sent.
func Load(path string) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("load contract: %w", err)
	}
	text := openapi3.NewStringSchema()
	texts := openapi3.NewArraySchema().WithItems(text)
	lists := openapi3.NewObjectSchema().WithAdditionalProperties(texts)
	for _, fix := range []struct {
		operation *openapi3.Operation
		status    string
		schema    *openapi3.Schema
	}{
		{doc.Paths.Value("/api/v1/ops/node/schema/versions").Get, "200", lists},
		{doc.Paths.Value("/api/v0/probes/cluster").Get, "500", lists},
		{doc.Paths.Value("/api/v0/ops/seeds/reload").Post, "200", texts},
	} {
		fix.operation.Responses.Value(fix.status).Value.Content["application/json"].Schema = fix.schema.NewRef()
	}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation()) // some examples do not fit their own schema
	if err != nil {
		return nil, fmt.Errorf("load contract: %w", err)
	}
	return &Contract{router}, nil
}

// Check compares a request, whose URL has no scheme and host, and its answer with the document. A request that was answered
// with 400 is wrong on purpose and need not fit; and 500 may have a text where the document does not speak of it, or speaks
// of JSON: it is what the real one answers when an operation throws.
func (c *Contract) Check(ctx context.Context, request *http.Request, response *http.Response, body []byte) error {
	where := fmt.Sprintf("%s %s: %d", request.Method, request.URL, response.StatusCode)
	route, parameters, err := c.router.FindRoute(request)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route}
	if response.StatusCode != http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	declared := route.Operation.Responses.Value(strconv.Itoa(response.StatusCode))
	thrown := response.StatusCode == http.StatusInternalServerError && response.Header.Get("Content-Type") == "text/plain"
	if thrown && (declared == nil || declared.Value.Content.Get("text/plain") == nil) {
		return nil
	}
	if declared == nil {
		return fmt.Errorf("%s: this status is not in the document", where)
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: response.StatusCode, Header: response.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	output.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(ctx, output); err != nil {
		return fmt.Errorf("%s: %w: %s", where, err, body)
	}
	return nil
}
