-- The role of cabrank's services, made with an empty volume: it owns its database and is
-- no superuser. Its password is the one in database_url; where that names another server
-- than compose.yaml's, no role is made.
\set password `sed -n 's#^postgresql://cabrank:\([^:@/]*\)@postgres[:/].*#\1#p' /run/secrets/database_url`
SELECT :'password' <> '' AS is_ours \gset
\if :is_ours
  CREATE ROLE cabrank LOGIN PASSWORD :'password';
  ALTER DATABASE cabrank OWNER TO cabrank;
\endif
