-- Every window of a turbine, as it is stored.
SELECT *, close_reason::text AS close_reason_text FROM turbine_windows
