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

/// Pages of lists that run upwards.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Upwards {
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`.
    #[param(default = "asc", pattern = "^(asc|desc)$")]
    order: Option<String>,
}

/// Pages of lists that run from the newest on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Backwards {
    /// Most items of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// `asc` or `desc`, by time.
    #[param(default = "desc", pattern = "^(asc|desc)$")]
    order: Option<String>,
}

/// A stretch of time.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Between {
    /// Not before this time; of windows their start.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this time; of windows their start.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Where the page before ended, in a list by time or by number.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NumberCursor {
    /// The `next_cursor` of the page before.
    #[param(pattern = "^(30|(2d)?3[1-9](3[0-9]){0,16})$")]
    cursor: Option<String>,
}

/// Where the page before ended, in a list by name.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NameCursor {
    /// The `next_cursor` of the page before.
    #[param(pattern = "^22(2[de]|3[0-9a]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a]){1,64}22$")]
    cursor: Option<String>,
}

/// Where the page before ended, in a list of dead letters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LetterCursor {
    /// The `next_cursor` of the page before.
    #[param(pattern = "^5b3[1-9](3[0-9]){0,15}2c3[1-9](3[0-9]){0,3}2c3[1-9](3[0-9]){0,16}5d$")]
    cursor: Option<String>,
}

/// Whose clocks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ZoneParam {
    /// By whose clocks hours and days are told, a name of the IANA database; a day in which clocks are changed has 23
    /// or 25 hours. Times are told in UTC all the same.
    #[param(default = "UTC", example = "Europe/Madrid", format = "iana-time-zone")]
    time_zone: Option<String>,
}

/// Which windows.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WindowParams {
    /// Length of the windows.
    #[param(default = "1m", pattern = "^(1m|10m|1h|1d)$")]
    resolution: Option<String>,
    /// With `true` also minutes that have not closed yet, as far as they are stored, each marked `provisional`; only
    /// with `resolution=1m` and as JSON.
    #[param(default = false)]
    provisional: Option<bool>,
}

/// Which extremes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExtremesParams {
    /// Of which metrics, with commas between their names; all by default.
    #[param(example = "wind_speed_mps", format = "metrics")]
    metric: Option<String>,
    /// Window by window of this length; by default over the whole stretch of time.
    #[param(pattern = "^(1m|10m|1h|1d)$")]
    resolution: Option<String>,
}

/// Which dead letters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterParams {
    /// Only of this farm.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$")]
    farm: Option<String>,
    /// Only by this rule.
    #[param(example = "wind_speed_mps", pattern = "^[A-Za-z0-9_]{1,64}$")]
    rule: Option<String>,
}

/// Which events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// Only of this farm.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$")]
    farm: Option<String>,
    /// Only these kinds, with commas between.
    #[param(
        default = "reading,window,dead_letter",
        example = "reading,window",
        pattern = "^(reading|window|dead_letter)(,(reading|window|dead_letter))*$"
    )]
    types: Option<String>,
}

/// What of the log of keys.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyLogParams {
    /// Only of this key.
    #[param(minimum = 1, maximum = 2_000_000_000)]
    key: Option<i64>,
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
