//! `/v1/keys` and `/v1/key-log`.

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, get, post};
use sqlx::PgPool;

use super::body::Body;
use crate::auth::{Access, Admin, Caller, Keys, Secret};
use crate::error::{ApiError, Problem};
use crate::model::{CreatedKey, Key, KeyLogEntry, Page};
use crate::openapi::{BodyFailures, Failures};
use crate::params::{
    Backwards, KeyLogPage, KeyLogParams, KeyPage, NewKeyBody, NoParams, NumberCursor, Parameters,
    RotationBody, Upwards,
};
use crate::queries::keys::{self, NewKey, StoredKey};

/// Create a key
///
/// The answer shows the key, this once. A key that is limited to some farms makes only keys of those.
#[utoipa::path(
    operation_id = "create_key",
    tag = "keys",
    security(("key" = ["admin"]), ("bearer" = ["admin"])),
    request_body(content = NewKeyBody, example = json!({
        "name": "gateway of the north", "scopes": ["write"], "farms": ["north"], "expires_in": "365d",
        "rate_limit_per_second": 20
    })),
    responses(
        (status = 201, description = "The key", body = CreatedKey, headers(("Location" = String, description = "Where it is told about"))),
        BodyFailures,
        Failures
    ),
)]
#[post("/keys")]
pub async fn create(
    access: Access<Admin>,
    _: Parameters<NoParams>,
    Body(body): Body,
    database: Data<PgPool>,
) -> Result<HttpResponse, ApiError> {
    let wanted = NewKeyBody::parse(&body)?;
    if !access.caller().opens_all(wanted.farms.as_deref()) {
        return Err(ApiError::FarmForbidden(
            "the key is limited to some farms and cannot make one that opens others".to_owned(),
        ));
    }
    let secret = Secret::random();
    let new = NewKey {
        name: &wanted.name,
        hash: secret.hash(),
        scopes: &wanted.scopes,
        farms: wanted.farms.as_deref(),
        expires_at: wanted.expires_at,
        rate_limit_per_second: wanted.rate_limit_per_second,
        replaces: None,
    };
    let mut transaction = keys::begin_as(database.get_ref(), &access.caller().id.to_string()).await?;
    let key = keys::create(&mut *transaction, &new).await?;
    transaction.commit().await?;
    Ok(created(&secret, key))
}

/// The keys, by number, without the keys themselves
#[utoipa::path(
    operation_id = "list_keys",
    tag = "keys",
    security(("key" = ["admin"]), ("bearer" = ["admin"])),
    params(Upwards, NumberCursor),
    responses((status = 200, description = "A page of keys", body = Page<Key>), Failures),
)]
#[get("/keys")]
pub async fn list(
    access: Access<Admin>,
    Parameters(page): Parameters<KeyPage<i64>>,
    database: Data<PgPool>,
) -> Result<Json<Page<Key>>, ApiError> {
    let farms = access.caller().farm_filter();
    let found = keys::list(database.get_ref(), farms, &page).await?;
    let items = found.into_iter().map(Key::from).collect();
    Ok(Json(Page::of(items, page.limit, |key: &Key| key.id)))
}

/// One key
#[utoipa::path(
    operation_id = "get_key",
    tag = "keys",
    security(("key" = ["admin"]), ("bearer" = ["admin"])),
    params(("id" = i64, Path, minimum = 1, description = "Its number")),
    responses((status = 200, description = "The key", body = Key), Failures),
)]
#[get("/keys/{id}")]
pub async fn one(
    access: Access<Admin>,
    id: Path<String>,
    _: Parameters<NoParams>,
    database: Data<PgPool>,
) -> Result<Json<Key>, ApiError> {
    let key = find(&database, access.caller(), &id).await?;
    Ok(Json(key.into()))
}

/// Take a key back
///
/// It opens nothing any more, here at once, and in other processes within ten seconds.
#[utoipa::path(
    operation_id = "revoke_key",
    tag = "keys",
    security(("key" = ["admin"]), ("bearer" = ["admin"])),
    params(("id" = i64, Path, minimum = 1, description = "Its number")),
    responses((status = 204, description = "It is revoked, perhaps since long"), Failures),
)]
#[delete("/keys/{id}")]
pub async fn revoke(
    access: Access<Admin>,
    id: Path<String>,
    _: Parameters<NoParams>,
    database: Data<PgPool>,
    cache: Data<Keys>,
) -> Result<HttpResponse, ApiError> {
    let key = find(&database, access.caller(), &id).await?;
    let mut transaction = keys::begin_as(database.get_ref(), &access.caller().id.to_string()).await?;
    keys::revoke(&mut *transaction, key.id).await?;
    transaction.commit().await?;
    cache.forget(key.id);
    Ok(HttpResponse::NoContent().finish())
}

/// Create a key that takes over from another one
///
/// It may do what that one may. Both are good for the time of the overlap, so that nobody stands before a closed door
/// meanwhile.
#[utoipa::path(
    operation_id = "rotate_key",
    tag = "keys",
    security(("key" = ["admin"]), ("bearer" = ["admin"])),
    params(("id" = i64, Path, minimum = 1, description = "Number of the old one")),
    request_body(content = Option<RotationBody>, example = json!({"overlap": "24h"})),
    responses(
        (status = 201, description = "The new key", body = CreatedKey, headers(("Location" = String, description = "Where it is told about"))),
        (status = 409, description = "The old key is not valid any more", body = Problem, content_type = "application/problem+json"),
        BodyFailures,
        Failures
    ),
)]
#[post("/keys/{id}/rotate")]
pub async fn rotate(
    access: Access<Admin>,
    id: Path<String>,
    _: Parameters<NoParams>,
    Body(body): Body,
    database: Data<PgPool>,
    cache: Data<Keys>,
) -> Result<HttpResponse, ApiError> {
    let rotation = RotationBody::parse(&body)?;
    let old = find(&database, access.caller(), &id).await?;
    let secret = Secret::random();
    let mut transaction = keys::begin_as(database.get_ref(), &access.caller().id.to_string()).await?;
    let new = keys::rotate(&mut transaction, old.id, secret.hash(), rotation).await?;
    transaction.commit().await?;
    cache.forget(old.id);
    let new = new.ok_or_else(|| ApiError::Conflict(format!("key {} is not valid any more", old.id)))?;
    Ok(created(&secret, new))
}

/// What was done to keys, the newest first
#[utoipa::path(
    operation_id = "list_key_log",
    tag = "keys",
    security(("key" = ["admin"]), ("bearer" = ["admin"])),
    params(KeyLogParams, Backwards, NumberCursor),
    responses((status = 200, description = "A page of the log", body = Page<KeyLogEntry>), Failures),
)]
#[get("/key-log")]
pub async fn log(
    access: Access<Admin>,
    Parameters(asked): Parameters<KeyLogPage>,
    database: Data<PgPool>,
) -> Result<Json<Page<KeyLogEntry>>, ApiError> {
    let farms = access.caller().farm_filter();
    let entries = keys::log(database.get_ref(), farms, asked.key, &asked.page).await?;
    Ok(Json(Page::of(entries, asked.page.limit, |entry| entry.id)))
}

/// The key of that number, unless it opens a farm that the caller's does not: then it need not be known.
async fn find(database: &PgPool, caller: &Caller, id: &str) -> Result<StoredKey, ApiError> {
    let not_found = || ApiError::not_found("key", id);
    let number = id.parse().map_err(|_| not_found())?;
    let key = keys::get(database, number).await?;
    key.filter(|key| caller.opens_all(key.caller.farms.as_deref()))
        .ok_or_else(not_found)
}

fn created(secret: &Secret, key: StoredKey) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/keys/{}", key.id)))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(CreatedKey::new(secret, key))
}
