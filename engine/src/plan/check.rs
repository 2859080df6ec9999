use super::Plan;
use crate::fault::Fault;
#[derive(Debug, Clone, Default)]
pub struct Limits;
pub struct CheckContext<'a> {
    pub catalogue: &'a crate::tool::Catalogue,
    pub contracts: &'a crate::contract::Contracts,
    pub params: serde_json::Value,
    pub alarm: serde_json::Value,
    pub limits: Limits,
}
pub fn check(_: &serde_json::Value, _: &CheckContext<'_>) -> Result<Plan, Vec<Fault>> {
    Err(vec![])
}
