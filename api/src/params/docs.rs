//! What `/openapi.json` says of the parameters; nobody else reads these types.
#![expect(dead_code, reason = "only documents")]

use utoipa::IntoParams;

/// Pages, or files.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FormatParam {
    /// `json`, a page; `csv` or `parquet`, the whole list from the first row on, of which `limit` may be any number and
    /// is no limit if it is not given. The header `Accept` does the same.
    #[param(default = "json", pattern = "^(json|csv|parquet)$")]
    format: Option<String>,
}

/// Pages of lists by name.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyPageParams {
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`.
    #[param(default = "asc", pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Pages of lists by time.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TimePageParams {
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`, by time.
    #[param(default = "desc", pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// Not before this time.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this time.
    #[param(format = DateTime)]
    to: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Pages of windows.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WindowPageParams {
    /// Length of the windows.
    #[param(default = "1m", pattern = "^(1m|10m|1h|1d)$")]
    resolution: Option<String>,
    /// By whose clocks hours and days are told, a name of the IANA database; a day in which clocks are changed has 23
    /// or 25 hours. Times are told in UTC all the same.
    #[param(default = "UTC", example = "Europe/Madrid")]
    time_zone: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`, by start.
    #[param(default = "desc", pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// Start not before this time.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Start before this time.
    #[param(format = DateTime)]
    to: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which extremes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExtremesPageParams {
    /// Of which metrics, with commas between their names; all by default.
    #[param(example = "wind_speed_mps")]
    metric: Option<String>,
    /// Window by window of this length; by default over the whole stretch of time.
    #[param(pattern = "^(1m|10m|1h|1d)$")]
    resolution: Option<String>,
    /// By whose clocks hours and days are told, a name of the IANA database.
    #[param(default = "UTC", example = "Europe/Madrid")]
    time_zone: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`, by start.
    #[param(default = "desc", pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// Not before this time.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this time.
    #[param(format = DateTime)]
    to: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Pages of dead letters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterPageParams {
    /// Only of this farm.
    farm: Option<String>,
    /// Only by this rule.
    #[param(example = "wind_speed_mps")]
    rule: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`, by the time of becoming a dead letter.
    #[param(default = "desc", pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// Not before this time.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this time.
    #[param(format = DateTime)]
    to: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// Only of this farm.
    farm: Option<String>,
    /// Only these kinds, with commas between.
    #[param(default = "reading,window,dead_letter", example = "reading,window")]
    types: Option<String>,
}

/// Pages of the log of keys.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyLogParams {
    /// Only of this key.
    key: Option<i64>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`.
    #[param(default = "desc", pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which rows the first system's clients want.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LegacyParams {
    /// Most rows; all by default.
    #[param(minimum = 1)]
    limit: Option<u64>,
    /// Not before this time.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this time.
    #[param(format = DateTime)]
    to: Option<String>,
}
