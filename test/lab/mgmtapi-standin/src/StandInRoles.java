package casshook.lab;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Roles through the node's own IRoleManager, as the real one's agent does it: below CQL and its permissions. There is no
 * MBean for them, hence the reflection; what is used of it is the same in Cassandra 4.0, 4.1 and 5.0.
 */
final class StandInRoles {
    private static final String AUTH = "org.apache.cassandra.auth.";

    /** Makes the role by INSERT, so that one that is there gets the new password and flags. */
    void upsert(String name, boolean superuser, boolean login, String password) throws Exception {
        if (Boolean.getBoolean("cassandra.skip_default_role_setup") && resources().isEmpty()) {
            create("cassandra", false, false, null); // as in the real one; nobody can log in as it
        }
        create(name, superuser, login, password);
    }

    void drop(String name) throws Exception {
        call("dropRole", user(), resource(name));
    }

    /** All roles with the keys of the real one. */
    List<Map<String, Object>> all() throws Exception {
        List<Map<String, Object>> roles = new ArrayList<>();
        for (Object resource : resources()) {
            Map<String, Object> role = new LinkedHashMap<>();
            role.put("name", resource.getClass().getMethod("getRoleName").invoke(resource));
            role.put("super", call("isSuper", resource));
            role.put("login", call("canLogin", resource));
            role.put("datacenters", datacenters(resource));
            role.put("options", call("getCustomOptions", resource).toString());
            roles.add(role);
        }
        return roles;
    }

    private void create(String name, boolean superuser, boolean login, String password) throws Exception {
        Class<?> optionsClass = Class.forName(AUTH + "RoleOptions");
        Object options = optionsClass.getConstructor().newInstance();
        option(options, "SUPERUSER", superuser);
        option(options, "LOGIN", login);
        if (password != null) {
            option(options, "PASSWORD", password);
        }
        call("createRole", user(), resource(name), options);
    }

    private static void option(Object options, String name, Object value) throws Exception {
        Class<?> optionClass = Class.forName(AUTH + "IRoleManager$Option");
        Object option = optionClass.getMethod("valueOf", String.class).invoke(null, name);
        options.getClass().getMethod("setOption", optionClass, Object.class).invoke(options, option, value);
    }

    private static Object user() throws Exception {
        return Class.forName(AUTH + "AuthenticatedUser").getField("SYSTEM_USER").get(null);
    }

    private static Object resource(String name) throws Exception {
        return Class.forName(AUTH + "RoleResource").getMethod("role", String.class).invoke(null, name);
    }

    private List<Object> resources() throws Exception {
        List<Object> all = new ArrayList<>();
        ((Iterable<?>) call("getAllRoles")).forEach(all::add);
        return all;
    }

    private static String datacenters(Object resource) throws Exception {
        Object authorizer = descriptor("getNetworkAuthorizer");
        Method authorize = Class.forName(AUTH + "INetworkAuthorizer").getMethod("authorize", resource.getClass());
        return String.valueOf(authorize.invoke(authorizer, resource));
    }

    private static Object call(String method, Object... arguments) throws Exception {
        for (Method candidate : Class.forName(AUTH + "IRoleManager").getMethods()) {
            if (candidate.getName().equals(method) && candidate.getParameterCount() == arguments.length) {
                return candidate.invoke(descriptor("getRoleManager"), arguments);
            }
        }
        throw new NoSuchMethodException(method);
    }

    private static Object descriptor(String getter) throws Exception {
        return Class.forName("org.apache.cassandra.config.DatabaseDescriptor").getMethod(getter).invoke(null);
    }
}
