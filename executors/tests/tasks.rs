//! Calls that a server goes on with as tasks, against a server made with the official library, in both eras.
#![allow(clippy::unwrap_used)]

mod support;

use async_trait::async_trait;
use axum::Router;
use flyball_engine::actor::{Actor, Origin, OriginKind};
use flyball_engine::canonical::Digest;
use flyball_engine::contract::Contracts;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{Decision, End, Event, PlanSource, RuleApplied};
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::journal::Journal;
use flyball_engine::journal::memory::InMemoryJournal;
use flyball_engine::plan::check::Limits;
use flyball_engine::ports::{
    Clock, PlanAnswer, Planned, Planner, PlanningContext, Policy, Proposal, RetryGranted, RetryQuestion, TaskReport,
    ToolExecutor, Verdict,
};
use flyball_engine::supervisor::{Deps, Supervisor};
use flyball_engine::tool::{Outcome, ToolRequest};
use flyball_executors::*;
use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskExit, TaskManager, TaskOptions};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::server::{LEGACY, MODERN};
use support::*;

/// A server that makes a task of every call of `work`, and keeps the truth: what was executed.
#[derive(Clone)]
struct Worker {
    versions: &'static [ProtocolVersion],
    tasks: TaskManager,
    executed: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    fn new(versions: &'static [ProtocolVersion]) -> Self {
        Self {
            versions,
            tasks: TaskManager::new(),
            executed: Arc::default(),
        }
    }

    fn begin(&self, args: &Value) -> Task {
        let (executed, how) = (
            Arc::clone(&self.executed),
            args["how"].as_str().unwrap_or("done").to_owned(),
        );
        let time = Duration::from_millis(args["ms"].as_u64().unwrap_or(0));
        let options = TaskOptions::new().with_poll_interval_ms(50);
        self.tasks.spawn(options, move |task| {
            Box::pin(async move {
                tokio::time::sleep(time).await;
                if how == "asks" {
                    let ask = InputRequest::Elicitation(ElicitRequest::new(support::server::form("how")));
                    let answer = task.request_input("key", ask).await?;
                    return Ok(CallToolResult::structured(answer));
                }
                executed.lock().unwrap().push(how.clone());
                match how.as_str() {
                    "error" => Ok(CallToolResult::error(vec![ContentBlock::text("% Invalid input")])),
                    "broken" => Err(TaskExit::Error(ErrorData::internal_error("half way through", None))),
                    "cancelled" => Err(TaskExit::Cancelled),
                    _ => Ok(CallToolResult::structured(json!({"worked": how}))),
                }
            })
        })
    }
}

impl ServerHandler for Worker {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.versions)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        if self.versions != MODERN {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "server/discover", None));
        }
        Ok(DiscoverResult::from_server_info(
            self.versions.to_vec(),
            self.get_info(),
        ))
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object"}).as_object().cloned().unwrap();
        let tool = Tool::new("work", "works on it for a while", Arc::new(schema));
        Ok(ListToolsResult::with_all_items(vec![tool]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let args = Value::Object(request.arguments.unwrap_or_default());
        Ok(CallToolResponse::Task(CreateTaskResult::new(self.begin(&args))))
    }

    async fn update_task(&self, request: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.tasks.get_task(&request.task_id)?))
    }
}

async fn served(worker: &Worker) -> String {
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = worker.versions == LEGACY;
    let worker = worker.clone();
    let service = StreamableHttpService::new(
        move || Ok(worker.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().nest_service("/mcp", service)).await });
    url
}

fn handle(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unknown { task: Some(task), .. } => task,
        other => panic!("no task: {other:?}"),
    }
}

async fn ended(rig: &Rig, task: &str) -> Outcome {
    loop {
        match rig.executors.task("s", task).await {
            TaskReport::Ended(outcome) => return outcome,
            TaskReport::Working { poll_after } => {
                assert_eq!(
                    poll_after,
                    Some(Duration::from_millis(50)),
                    "the server's own pace is passed on"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_task_is_asked_about_until_its_end_in_both_eras() {
    for versions in [MODERN, LEGACY] {
        let worker = Worker::new(versions);
        let rig = rig(vec![http("s", &served(&worker).await)]).await;
        for (how, good) in [
            ("done", (|o| matches!(o, Outcome::Done { .. })) as fn(&Outcome) -> bool),
            ("error", |o| matches!(o, Outcome::ToolError { .. })),
            ("broken", is_unknown),
            ("cancelled", is_unknown),
        ] {
            let task = handle(rig.call("s/work", json!({"ms": 120, "how": how})).await);
            let outcome = ended(&rig, &task).await;
            assert!(good(&outcome), "{how}: {outcome:?}");
        }
        assert_eq!(worker.executed.lock().unwrap().len(), 4);
        rig.end().await;
    }
}

#[tokio::test]
async fn a_task_that_the_server_does_not_know_is_lost_and_one_of_a_server_that_is_away_is_not() {
    let worker = Worker::new(MODERN);
    let rig = rig(vec![
        http("s", &served(&worker).await),
        http("away", "http://127.0.0.1:9/mcp"),
    ])
    .await;
    let unknown = rig.executors.task("s", "no-such-task").await;
    assert!(matches!(unknown, TaskReport::Lost { .. }), "{unknown:?}");
    let away = rig.executors.task("away", "any").await;
    assert!(matches!(away, TaskReport::Unreachable { .. }), "{away:?}");
    rig.end().await;
}

#[tokio::test]
async fn a_task_that_asks_is_told_that_nobody_answers_and_goes_on_without() {
    for versions in [MODERN, LEGACY] {
        let worker = Worker::new(versions);
        let rig = rig(vec![http("s", &served(&worker).await)]).await;
        let task = handle(rig.call("s/work", json!({"how": "asks"})).await);
        let output = json!({"action": "cancel"});
        assert_eq!(ended(&rig, &task).await, Outcome::Done { output });
        rig.end().await;
    }
}

#[tokio::test]
async fn a_read_that_becomes_a_task_is_its_tasks_result() {
    let worker = Worker::new(MODERN);
    let rig = rig(vec![http("s", &served(&worker).await)]).await;
    let read = |ms: u64, timeout_ms: u64| ToolRequest {
        mutating: false,
        timeout_ms,
        ..request("s/work", json!({ "ms": ms }))
    };
    let outcome = rig.executors.call(read(150, 5_000)).await.outcome;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let outcome = rig.executors.call(read(60_000, 300)).await.outcome;
    assert!(matches!(outcome, Outcome::Unknown { task: None, .. }), "{outcome:?}");
    rig.end().await;
}

/// Takes plans as they are, lets everything run, retries nothing; the wall clock.
struct Plain;

#[async_trait]
impl Planner for Plain {
    async fn plan(&self, request: &Request, _: &PlanningContext) -> Planned {
        let Wish::Plan(draft) = &request.wish else {
            unreachable!("this test submits plans");
        };
        Planned {
            model_calls: vec![],
            notes: vec![],
            answer: PlanAnswer::Draft {
                source: PlanSource::Operator,
                draft: draft.clone(),
                params: Value::Null,
                replans: 0,
            },
        }
    }
}

impl Policy for Plain {
    fn judge(&self, _: &Proposal) -> Verdict {
        Verdict {
            decision: Decision::Run,
            rules: vec![],
            policies: Digest::zero(),
            approval_ttl: self.approval_ttl(),
        }
    }

    fn may(&self, _: &Actor, _: &str, _: Option<&Request>) -> Result<RuleApplied, RuleApplied> {
        Ok(RuleApplied {
            rule: "test".into(),
            reason: "a test".into(),
            item: None,
        })
    }

    fn retry(&self, _: &RetryQuestion<'_>) -> Option<RetryGranted> {
        None
    }
}

#[async_trait]
impl Clock for Plain {
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(since.unwrap().as_millis()).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

async fn engine(url: &str, journal: &Arc<InMemoryJournal>) -> (Arc<Executors>, Arc<Supervisor>) {
    let rig = rig_with(vec![http("s", url)], journal.clone(), options()).await;
    let executors = Arc::new(rig.executors);
    let contracts: Value = json!({"contracts": {"s/work": {"effect": "reversible", "targets": "['device:a']",
        "timeout": "60s", "settle_after": "60s"}}});
    let contracts: Contracts = serde_json::from_value(contracts).unwrap();
    let supervisor = Supervisor::new(Deps {
        journal: journal.clone(),
        executor: executors.clone(),
        planner: Arc::new(Plain),
        policy: Arc::new(Plain),
        clock: Arc::new(Plain),
        contracts: Arc::new(contracts),
        inventory: Arc::new(flyball_engine::ports::NoInventory),
        limits: Limits::default(),
        deadline: None,
        build: "test".into(),
    });
    supervisor.start().await.unwrap();
    (executors, supervisor)
}

async fn until_told(journal: &InMemoryJournal, intent: IntentId, good: impl Fn(&Event) -> bool) {
    let mut changes = journal.watch(intent);
    let told = async {
        loop {
            changes.mark_unchanged();
            if journal.entries(intent).iter().any(|e| good(&e.entry.event)) {
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    if tokio::time::timeout(Duration::from_secs(30), told).await.is_err() {
        panic!(
            "{:#?}",
            journal
                .entries(intent)
                .iter()
                .map(|e| &e.entry.event)
                .collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn an_engine_that_dies_over_a_task_asks_for_it_after_its_restart_and_sends_nothing_again() {
    for versions in [MODERN, LEGACY] {
        let worker = Worker::new(versions);
        let (url, journal) = (served(&worker).await, journal());
        let (executors, supervisor) = engine(&url, &journal).await;
        let request = Request {
            wish: Wish::Plan(json!({"steps": [{"id": "s", "tool": "s/work", "args": {"ms": 1_500}}]})),
            origin: Origin {
                kind: OriginKind::Operator,
                actor: Actor::human("olga"),
            },
            mode: Mode::Apply,
            deadline_ms: None,
            labels: vec![],
            change: None,
            window: None,
            backout_by_ms: None,
            undo_of: None,
            alarm: Value::Null,
            heard: None,
        };
        let intent = supervisor.submit(request, None).await.unwrap().intent;
        until_told(&journal, intent, |e| matches!(e, Event::TaskNoted { .. })).await;
        supervisor.abort();
        executors.shutdown(Duration::ZERO).await;
        assert!(
            worker.executed.lock().unwrap().is_empty(),
            "the engine dies before the task has ended"
        );
        let (executors, supervisor) = engine(&url, &journal).await;
        until_told(&journal, intent, |e| matches!(e, Event::IntentEnded { .. })).await;
        let ended = supervisor.state(intent).await.unwrap().ended.unwrap();
        assert_eq!(ended.0, End::Fulfilled, "{ended:?}");
        assert_eq!(*worker.executed.lock().unwrap(), ["done"], "once");
        executors.shutdown(Duration::ZERO).await;
    }
}
