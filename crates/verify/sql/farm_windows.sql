-- Every window of a farm, as it is stored.
SELECT *, close_reason::text AS close_reason_text FROM farm_windows
