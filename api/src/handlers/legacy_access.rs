//! The door of the first system's requests: the header `x-api-key`, and FastAPI's words for those who may not enter.

use actix_web::HttpRequest;
use serde_json::Value;

use crate::args::LegacyArgs;
use crate::auth::{Keys, Scope, admit};
use crate::error::ApiError;
use crate::legacy::{Detail, LegacyError, LegacyQuery};

/// Sees to it that the request's key is good for `scope` and opens the farm of the old clients. `Ok(None)` is a
/// request without a key; what it is told depends on what else is wrong with it.
pub(super) async fn enter(
    request: &HttpRequest,
    keys: &Keys,
    legacy: &LegacyArgs,
    scope: Scope,
) -> Result<Option<()>, LegacyError> {
    let Some(header) = request.headers().get("x-api-key") else {
        return Ok(None);
    };
    let key = header.to_str().map_err(|_| LegacyError::Unauthorized)?;
    let caller = match admit(keys, request, key).await {
        Err(ApiError::KeyUnknown) => return Err(LegacyError::Unauthorized),
        verified => verified?,
    };
    if caller.may(scope) && caller.opens(legacy.legacy_farm_id.as_str()) {
        Ok(Some(()))
    } else {
        Err(LegacyError::Forbidden)
    }
}

/// Sees to it that the request's key is good for reading, and takes `limit`, `from` and `to`.
pub(super) async fn enter_reading(
    request: &HttpRequest,
    keys: &Keys,
    legacy: &LegacyArgs,
) -> Result<LegacyQuery, LegacyError> {
    let entered = enter(request, keys, legacy, Scope::Read).await?;
    let query = LegacyQuery::parse(request.query_string());
    match (entered, query) {
        (Some(()), Ok(query)) => Ok(query),
        (Some(()), Err(faults)) => Err(LegacyError::Unprocessable(faults)),
        (None, query) => {
            // FastAPI tells the faults of the query first
            let mut faults = query.err().unwrap_or_default();
            faults.push(key_missing());
            Err(LegacyError::Unprocessable(faults))
        }
    }
}

/// The entry for a request without a key.
pub(super) fn key_missing() -> Detail {
    Detail::missing(&["header", "x-api-key"], Value::Null)
}
