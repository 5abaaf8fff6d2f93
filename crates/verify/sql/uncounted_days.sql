-- Days that were dropped and whose rows are still being counted.
SELECT format('%s of %s', day, table_name) FROM dropped_days WHERE rows IS NULL ORDER BY 1
