pub fn validate(_: &serde_json::Value, _: &serde_json::Value) -> Vec<crate::fault::Fault> {
    vec![]
}
