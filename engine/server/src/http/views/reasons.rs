//! Many items that share a reason, said once: whoever checks a plan for a hundred devices reads each reason one time.

use super::super::dto::Reasoned;
use flyball_engine::intent::event::RuleApplied;

/// Each reason with the items that it holds for, in the order in which reasons come up.
pub(super) fn grouped(each: impl IntoIterator<Item = (String, String)>) -> Vec<Reasoned> {
    let mut groups: Vec<Reasoned> = Vec::new();
    for (why, item) in each {
        match groups.iter_mut().find(|g| g.why == why) {
            Some(group) => group.items.push(item),
            None => groups.push(Reasoned { why, items: vec![item] }),
        }
    }
    groups
}

/// What a verdict over many calls says behind the last one that it names.
const MORE: &str = " (and so for ";

/// The rules of a verdict with the calls that each applied to. A verdict names the first of very many calls only, and says
/// how many more there are: that stays behind the reason.
pub(super) fn of_rules(rules: &[RuleApplied]) -> Vec<Reasoned> {
    let mut groups: Vec<(String, Reasoned)> = Vec::new();
    for rule in rules {
        let said = format!("{}: {}", rule.rule, rule.reason);
        let key = said.split(MORE).next().unwrap_or(&said).to_owned();
        let items = rule.item.iter().map(ToString::to_string);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, group)) => {
                group.items.extend(items);
                if said.len() > group.why.len() {
                    group.why = said;
                }
            }
            None => {
                let items = items.collect();
                groups.push((key, Reasoned { why: said, items }));
            }
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_said_once_with_the_calls_that_it_applied_to() {
        let applied = |rule: &str, reason: &str, item: Option<&str>| RuleApplied {
            rule: rule.into(),
            reason: reason.into(),
            item: item.map(|i| i.parse().unwrap()),
        };
        let rules = [
            applied("approval.model", "a model made it", Some("ospf/0")),
            applied("ours.night", "not at night", None),
            applied(
                "approval.model",
                "a model made it (and so for 3 more items)",
                Some("ospf/1"),
            ),
        ];
        let told = of_rules(&rules);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].why, "approval.model: a model made it (and so for 3 more items)");
        assert_eq!(told[0].items, ["ospf/0", "ospf/1"]);
        assert!(told[1].items.is_empty());
    }
}
