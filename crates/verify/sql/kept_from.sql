-- The first instant of which windows of {table} are kept.
SELECT kept_from::timestamp AT TIME ZONE 'UTC' FROM retention WHERE table_name = '{table}'
