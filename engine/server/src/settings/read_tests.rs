use super::*;

fn at(text: &str, env: &[(&str, &str)]) -> Result<Settings, Vec<Finding>> {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    read("flyball.yaml", text, Path::new("/etc/flyball"), &env)
}

#[test]
fn every_key_has_a_default() {
    let s = at("", &[]).unwrap();
    assert_eq!(s.listen.to_string(), "127.0.0.1:8420");
    assert_eq!(s.store, "sled:/etc/flyball/flyball-data/store");
    assert!(!s.writes && s.default_policies && s.models.is_empty() && s.users.is_empty());
    assert_eq!(s.approval_expires, Span::secs(24 * 3600));
    assert_eq!(s.deadline, Span::secs(7 * 24 * 3600));
}

#[test]
fn a_variable_wins_over_the_file() {
    let s = at(
        "listen: 127.0.0.1:1\nwrites: off\n",
        &[("FLYBALL_LISTEN", "127.0.0.1:0"), ("FLYBALL_WRITES", "on")],
    )
    .unwrap();
    assert!(s.writes && s.listen.port() == 0);
    let s = at("", &[("FLYBALL_MODEL_NAME", "m"), ("OPENAI_BASE_URL", "http://h/v1")]).unwrap();
    assert_eq!(s.models[0].base_url, "http://h/v1");
}

#[test]
fn models_stand_in_order_of_preference_with_what_they_cost_and_may_cost() {
    let text = "model: {base_url: http://a/v1, name: a, price: {input: 0.15, output: 0.6}}\n\
                models:\n- {base_url: http://b/v1, name: b, timeout: 5s}\n\
                model_budget: {tokens_per_intent: 60000, cost_per_day: 2.5}\n";
    let s = at(text, &[("FLYBALL_MODEL_BUDGET_TOKENS_PER_DAY", "1000000")]).unwrap();
    let names: Vec<&str> = s.models.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!((s.models[0].price.input, s.models[1].price.input), (0.15, 0.0));
    assert_eq!(s.model_budget.tokens_per_intent, Some(60_000));
    assert_eq!(s.model_budget.tokens_per_day, Some(1_000_000));
    assert_eq!(
        (s.model_budget.cost_per_intent, s.model_budget.cost_per_day),
        (None, Some(2.5))
    );
    let bad = "models: [{base_url: http://b/v1, nmae: b, price: {inptu: 1}}]\nmodel_budget: {cost_per_day: -1}\n";
    let faults = at(bad, &[]).err().unwrap();
    let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for wanted in ["has no `name`", "unknown key `nmae`", "unknown key `inptu`", "-1"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
}

#[test]
fn a_wrong_variable_is_named_as_such() {
    let faults = at("", &[("FLYBALL_LISTEN", "nowhere")]).err().unwrap();
    assert_eq!((faults[0].file.as_str(), faults[0].line), ("$FLYBALL_LISTEN", 0));
}

#[test]
fn all_mistakes_come_at_once_with_line_and_suggestion() {
    let text = "\
listen: nowhere
wirtes: on
store: mysql://x
users:
  - name: alice
    roles: [operater]
    token: plain-text
mcp_servers:
  config: {comand: flyball}
  tickets: {url: 'https://t/mcp', headers: {Authorization: 'Bearer ${env:FLYBALL_TEST_NO_SUCH}'}}
contracts: ./nowhere
";
    let faults = at(text, &[]).err().unwrap();
    let seen: Vec<(usize, &str)> = faults.iter().map(|f| (f.line, f.message.as_str())).collect();
    for (line, part) in [
        (1, "invalid socket address"),
        (2, "unknown key `wirtes`"),
        (3, "names no store"),
        (6, "operater"),
        (7, "never as itself"),
        (9, "unknown key `comand`"),
        (9, "either `command` or `url`"),
        (10, "is not set"),
        (11, "does not exist"),
    ] {
        assert!(
            seen.iter().any(|(l, m)| *l == line && m.contains(part)),
            "{line} {part}: {seen:?}"
        );
    }
    assert!(faults.iter().all(|f| f.suggestion.is_some()), "{faults:?}");
    let writes = faults.iter().find(|f| f.line == 2).unwrap();
    assert_eq!(writes.suggestion.as_deref(), Some("did you mean `writes`?"));
}

#[test]
fn what_trying_again_may_cost_can_be_set_and_a_group_left_half_keeps_its_defaults() {
    let s = at(
        "retry: {attempt: 2m, per_day: 50}\n",
        &[("FLYBALL_RETRY_PER_INTENT", "7")],
    )
    .unwrap();
    assert_eq!(s.retry.attempt, std::time::Duration::from_secs(120));
    assert_eq!((s.retry.per_intent, s.retry.per_day), (7, 50));
    let default = flyball_policies::RetrySettings::default();
    assert_eq!(s.retry.longest_wait, default.longest_wait);
    let faults = at("retry: {attempts: 3, longest_wait: soon}\n", &[]).err().unwrap();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn that_a_command_leads_elsewhere_can_be_said_and_is_not_dropped() {
    let text = "mcp_servers: {far: {command: bridge, remote: true}, near: {command: bridge}}";
    let settings = at(text, &[]).unwrap();
    assert_eq!(settings.servers["far"].remote, Some(true));
    assert_eq!(settings.servers["near"].remote, None);
}
