//! What every guarded route may be answered with, said once for all of them in the OpenAPI description.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Adds 401 and 403 to every operation.
pub(super) fn document(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        operations.into_iter().flatten().for_each(refusals);
    }
}

fn refusals(operation: &mut Operation) {
    for (status, what) in [
        ("401", "No credential, or one that belongs to nobody."),
        ("403", "Policy does not let the caller do it."),
    ] {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(problem(what)));
    }
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().description(description);
    response.content("application/problem+json", content).build()
}
