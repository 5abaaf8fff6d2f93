//! Tokens of a made-up issuer, good ones and others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Args;
use api::auth::KeySource;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, Response};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::app::TestApi;
use crate::fixtures;
use crate::tls::file;

fn take_tokens(args: &mut Args, source: KeySource) {
    args.api.tokens.jwt_jwks = Some(source);
    args.api.tokens.jwt_issuer = Some("https://id.example".to_owned());
    args.api.tokens.jwt_audience = Some("veleta".to_owned());
}

async fn api_with_tokens() -> TestApi {
    let api = TestApi::start_with(|args| take_tokens(args, KeySource::File(file("jwks.json")))).await;
    fixtures::farms(&api.database).await;
    api
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The claims of a good token, and those of `others` in their place; null takes one away.
fn claims(others: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example", "aud": ["other", "veleta"], "sub": "ana", "exp": now() + 600,
        "scope": "openid read"
    });
    for (name, value) in others.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

/// A token by the key of that file.
fn signed(algorithm: Algorithm, key: &str, name: Option<&str>, others: &Value) -> String {
    let der = PrivateKeyDer::from_pem_file(file(&format!("{key}.pem"))).unwrap();
    let key = match key {
        "rs256" => EncodingKey::from_rsa_der(der.secret_der()),
        "eddsa" => EncodingKey::from_ed_der(der.secret_der()),
        _ => EncodingKey::from_ec_der(der.secret_der()),
    };
    let header = Header {
        kid: name.map(str::to_owned),
        ..Header::new(algorithm)
    };
    encode(&header, &claims(others), &key).unwrap()
}

fn good(others: &Value) -> String {
    signed(Algorithm::ES256, "es256", Some("es256"), others)
}

async fn ask(api: &TestApi, token: &str, path: &str) -> Response {
    let request = api.request(Method::GET, path).bearer_auth(token);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_opens_what_it_claims() {
    let api = api_with_tokens().await;
    for (algorithm, key) in [
        (Algorithm::RS256, "rs256"),
        (Algorithm::ES256, "es256"),
        (Algorithm::EdDSA, "eddsa"),
    ] {
        let token = signed(algorithm, key, Some(key), &json!({}));
        assert_eq!(
            ask(&api, &token, "/v1/farms/north/turbines").await.status(),
            200,
            "{key}"
        );
        assert_eq!(
            ask(&api, &token, "/v1/keys").await.status(),
            403,
            "{key} claims to read"
        );
    }
    let of_south = good(&json!({"farms": ["south"]}));
    assert_eq!(
        ask(&api, &of_south, "/v1/farms/north/turbines").await.status(),
        404
    );
    let farms: Value = ask(&api, &of_south, "/v1/farms").await.json().await.unwrap();
    assert_eq!(farms["items"].as_array().unwrap().len(), 1);

    // and who does something to keys is named in the log
    let admin = good(&json!({"scope": ["admin"]}));
    let request = api.request(Method::POST, "/v1/keys").bearer_auth(&admin);
    let created = request
        .json(&json!({"name": "new", "scopes": ["read"]}))
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 201);
    let log: Value = ask(&api, &admin, "/v1/key-log?limit=1")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(log["items"][0]["actor"], "token of ana");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_for_us_now_from_the_issuer_opens_nothing() {
    let api = api_with_tokens().await;
    for others in [
        json!({"exp": now() - 60}),
        json!({"exp": null}),
        json!({"nbf": now() + 600}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"iss": "https://evil.example"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"farms": ["no farm"]}),
    ] {
        assert_eq!(
            ask(&api, &good(&others), "/v1/farms").await.status(),
            401,
            "{others}"
        );
    }
    for (what, token) in [
        (
            "another's key",
            signed(Algorithm::ES256, "stranger", Some("es256"), &json!({})),
        ),
        (
            "an unknown key",
            signed(Algorithm::ES256, "stranger", Some("stranger"), &json!({})),
        ),
        (
            "no key's name",
            signed(Algorithm::ES256, "es256", None, &json!({})),
        ),
        (
            "the name of a key of another kind",
            signed(Algorithm::ES256, "es256", Some("rs256"), &json!({})),
        ),
    ] {
        assert_eq!(ask(&api, &token, "/v1/farms").await.status(), 401, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_choose_how_it_is_verified() {
    let api = api_with_tokens().await;
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |header: Value| format!("{}.{}.", encoded(&header), encoded(&claims(&json!({}))));
    let good = good(&json!({}));
    let (_, signature) = good.rsplit_once('.').unwrap();

    // the public key, which everybody has, as the secret of an HMAC
    let keys: Value = serde_json::from_slice(&std::fs::read(file("jwks.json")).unwrap()).unwrap();
    let modulus = BASE64_URL_SAFE_NO_PAD
        .decode(keys["keys"][0]["n"].as_str().unwrap())
        .unwrap();
    let header = Header {
        kid: Some("rs256".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    let by_public_key = encode(&header, &claims(&json!({})), &EncodingKey::from_secret(&modulus)).unwrap();

    for (what, token) in [
        ("none", unsigned(json!({"alg": "none", "kid": "es256"}))),
        ("nothing", unsigned(json!({"alg": "ES256", "kid": "es256"}))),
        ("the public key as a secret", by_public_key),
        (
            "others' words",
            format!(
                "{}.{}.{signature}",
                encoded(&json!({"alg": "ES256", "kid": "es256"})),
                encoded(&claims(&json!({"scope": "admin"})))
            ),
        ),
        (
            "what is critical and not understood",
            unsigned(json!({"alg": "ES256", "kid": "es256", "crit": ["b64"]})),
        ),
        ("no token", "a.b.c".to_owned()),
    ] {
        assert_eq!(ask(&api, &token, "/v1/farms").await.status(), 401, "{what}");
    }
    assert_eq!(
        ask(&api, &good, "/v1/farms").await.status(),
        200,
        "but it is a good one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_nothing_unless_they_are_set() {
    let api = TestApi::start().await;
    assert_eq!(ask(&api, &good(&json!({})), "/v1/farms").await.status(), 401);
}

/// Tells `document` to everybody who asks.
async fn issuer(document: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let body = document.lock().unwrap().clone();
            let _ = connection.read(&mut [0; 4096]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    format!("http://{address}/keys")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_issuer_has_just_published_is_found() {
    let all: Value = serde_json::from_slice(&std::fs::read(file("jwks.json")).unwrap()).unwrap();
    let document = Arc::new(Mutex::new("not yet".to_owned()));
    let url = issuer(Arc::clone(&document)).await;
    let api = TestApi::start_with(|args| take_tokens(args, KeySource::Url(url.parse().unwrap()))).await;
    let token = good(&json!({}));
    assert_eq!(
        ask(&api, &token, "/v1/farms").await.status(),
        503,
        "nobody knows its keys"
    );
    *document.lock().unwrap() = all.to_string();
    eventually("the key is found", Duration::from_secs(20), || async {
        (ask(&api, &token, "/v1/farms").await.status() == 200).then_some(())
    })
    .await;
    let stranger = signed(Algorithm::ES256, "stranger", Some("stranger"), &json!({}));
    assert_eq!(ask(&api, &stranger, "/v1/farms").await.status(), 401);
}
