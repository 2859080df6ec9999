//! The REST interface: one file per resource, plain shapes in [`dto`], every error a [`problem`].

mod accept;
pub mod app;
mod approvals;
mod body;
mod commands;
pub mod dto;
mod edges;
mod events;
mod explain;
mod halt;
mod health;
pub mod idempotency;
mod intents;
pub mod problem;
mod query;
mod refusals;
mod runbooks;
mod submit;
mod tools;
mod undo;
pub mod views;
mod voice;
mod world;

pub use health::RESTART;

use app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use problem::Problem;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flyball",
        description = "Intents in, a verified network out. Every error is a problem (RFC 9457) with a code that `/errors/{code}` explains."
    ),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Doc;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI description (3.1) of every route.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = guarded().split_for_parts().1;
    refusals::document(&mut api);
    api.merge(open().split_for_parts().1);
    api
}

/// Routes that need a credential.
fn guarded() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Doc::openapi())
        .routes(routes!(intents::list, submit::submit))
        .routes(routes!(intents::one))
        .routes(routes!(explain::plan))
        .routes(routes!(explain::why))
        .routes(routes!(intents::steps))
        .routes(routes!(intents::diff))
        .routes(routes!(events::events))
        .routes(routes!(intents::graph))
        .routes(routes!(intents::report))
        .routes(routes!(commands::apply))
        .routes(routes!(commands::cancel))
        .routes(routes!(commands::pause))
        .routes(routes!(commands::resume))
        .routes(routes!(undo::undo))
        .routes(routes!(commands::input))
        .routes(routes!(commands::settle_step))
        .routes(routes!(commands::settle_item))
        .routes(routes!(commands::resolve_step))
        .routes(routes!(commands::resolve_item))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::decide))
        .routes(routes!(world::in_doubt))
        .routes(routes!(world::locks))
        .routes(routes!(world::release))
        .routes(routes!(halt::halted, halt::halt))
        .routes(routes!(halt::halts))
        .routes(routes!(halt::unhalt))
        .routes(routes!(world::servers))
        .routes(routes!(world::refresh))
        .routes(routes!(tools::tools))
        .routes(routes!(tools::tool))
        .routes(routes!(tools::pin))
        .routes(routes!(runbooks::list))
        .routes(routes!(runbooks::one))
        .routes(routes!(runbooks::try_text))
        .routes(routes!(runbooks::promote))
        .routes(routes!(health::explain))
}

/// Routes that need none.
fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// All routes. Those but the health ones are behind [`app::authenticate`], also the documentation and what does not exist.
pub fn router(app: Arc<App>) -> Router {
    let (guarded, _) = guarded().split_for_parts();
    let (open, _) = open().split_for_parts();
    let authenticate = axum::middleware::from_fn_with_state(app.clone(), app::authenticate);
    guarded
        .merge(docs())
        .fallback(no_route)
        .layer(DefaultBodyLimit::max(problem::BODY_LIMIT))
        .layer(axum::middleware::from_fn_with_state(app.clone(), idempotency::once))
        .layer(authenticate)
        .merge(open)
        .layer(axum::middleware::from_fn(edges::as_problems))
        .with_state(app)
}

/// What the documentation's pages may load: this server's own files, styles that Swagger UI sets as it draws, and pictures
/// that stand in its style sheet.
const DOCS_MAY_LOAD: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'";

/// The documentation. It asks nobody but this server: Swagger UI would show the description to a validator of its maker's
/// as soon as it is not read on the same machine.
fn docs<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let ui = SwaggerUi::new("/docs")
        .url("/openapi.json", openapi())
        .config(Config::default().validator_url("none"));
    let own_only = |mut response: Response| async move {
        let policy = HeaderValue::from_static(DOCS_MAY_LOAD);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response
    };
    Router::from(ui).layer(axum::middleware::map_response(own_only))
}

async fn no_route(method: Method, uri: axum::http::Uri) -> impl IntoResponse {
    let detail = format!("there is no {method} {}", uri.path());
    Problem::new(crate::errors::Code::NoSuchRoute, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::IntoFuture;

    #[tokio::test]
    async fn the_documentation_asks_no_other_host_for_anything() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/docs", listener.local_addr().unwrap());
        let serving = tokio::spawn(axum::serve(listener, docs::<()>()).into_future());
        let initializer = reqwest::get(format!("{url}/swagger-initializer.js")).await.unwrap();
        let policy = initializer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        let text = initializer.text().await.unwrap();
        assert!(text.contains(r#""validatorUrl": "none""#), "{text}");
        assert!(text.contains(r#""/openapi.json""#), "{text}");
        let page = reqwest::get(format!("{url}/")).await.unwrap();
        assert!(page.headers().contains_key("content-security-policy"));
        let page = page.text().await.unwrap();
        assert!(
            page.contains("swagger-initializer.js") && !page.contains("http"),
            "{page}"
        );
        serving.abort();
    }
}
