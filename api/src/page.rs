//! The live page: `dashboard/`, built by Vite and compiled in, so that the program needs no files beside it.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};

/// Scripts, styles and data from here only, nothing inline, and nobody may put the page into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
#[derive(Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

static FILES: [File; 4] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        bytes: include_bytes!("../../dashboard/dist/index.html"),
    },
    File {
        path: "/assets/page.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../dashboard/dist/assets/page.js"),
    },
    File {
        path: "/assets/page.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../../dashboard/dist/assets/page.css"),
    },
    File {
        path: "/icon.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../../dashboard/dist/icon.svg"),
    },
];

/// The page's files; they hold no data, and are open to everybody.
pub fn configure(config: &mut web::ServiceConfig) {
    for file in &FILES {
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(file.bytes)[..12]));
        let answer = move |request: HttpRequest| {
            let answer = file.answer(&request, &tag);
            async { answer }
        };
        config.service(web::resource(file.path).route(web::get().to(answer)));
    }
}

impl File {
    /// Browsers ask each time whether it is still the same, and load it once.
    fn answer(&self, request: &HttpRequest, tag: &str) -> HttpResponse {
        let known = request
            .headers()
            .get(IF_NONE_MATCH)
            .is_some_and(|known| known == tag);
        let mut answer = if known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        answer
            .insert_header((ETAG, tag))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY));
        if known {
            answer.finish()
        } else {
            answer.content_type(self.content_type).body(self.bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        let file = FILES.iter().find(|file| file.path == path).unwrap();
        std::str::from_utf8(file.bytes).unwrap()
    }

    #[test]
    fn the_page_names_its_own_files_only_and_has_nothing_inline() {
        let page = text("/");
        for attribute in ["src=\"", "href=\""] {
            for rest in page.split(attribute).skip(1) {
                let path = rest.split('"').next().unwrap();
                assert!(FILES.iter().any(|file| file.path == path), "{path}");
            }
        }
        for inline in ["<style", "style=", "onload=", "onclick="] {
            assert!(!page.contains(inline), "{inline}");
        }
        assert_eq!(
            page.matches("<script").count(),
            page.matches("<script type=\"module\"").count()
        );
    }
}
