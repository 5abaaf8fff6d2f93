-- Runs once, on an empty data directory: the schema registry has a role and a database of its own.
\getenv password REGISTRY_DB_PASSWORD
CREATE ROLE registry LOGIN PASSWORD :'password';
CREATE DATABASE registry OWNER registry;
