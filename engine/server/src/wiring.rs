//! Builds everything out of the settings: store, policies, planner, servers, supervisor. The only place that knows which
//! part plays which role.

use crate::auth::{self, Tokens};
use crate::clock::SystemClock;
use crate::errors::Code;
use crate::finding::Finding;
use crate::http::app::App;
use crate::http::idempotency::InFlight;
use crate::library;
use crate::render::count;
use crate::settings::secret::expand;
use crate::settings::{Pinning, Server, Settings};
use flyball_engine::fault::Fault;
use flyball_engine::plan::check::{CheckContext, Limits, check};
use flyball_engine::ports::{Clock, PlanningContext, Policy, ToolExecutor};
use flyball_engine::supervisor::{Deps, Supervisor};
use flyball_executors::{Executors, ServerEntry, ServerSettings};
use flyball_planner::{ApiKey, Checker, FlyballPlanner, ModelSettings, Runbooks};
use flyball_store::OpenOptions;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a child of a former engine may go on before it is killed at boot.
const FENCE_DRAIN: Duration = Duration::from_secs(10);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the settings have {}", count(.0.len(), "mistake"))]
    Settings(Vec<Finding>),
    #[error("the data folder {path}: {source}")]
    Data { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] flyball_store::OpenError),
    #[error("children of the engine before this one: {0}")]
    Fence(#[from] flyball_executors::FenceError),
    #[error(transparent)]
    Journal(#[from] flyball_engine::journal::Error),
    #[error(transparent)]
    Model(#[from] flyball_planner::Error),
    #[error(transparent)]
    Inventory(#[from] flyball_netops::inventory::Error),
}

impl StartError {
    /// The page that explains it.
    pub fn code(&self) -> Code {
        match self {
            Self::Settings(_) | Self::Model(_) | Self::Inventory(_) => Code::BadSettings,
            Self::Store(error) if error.is_damage() => Code::Damaged,
            Self::Data { .. } | Self::Store(_) => Code::StoreClosed,
            Self::Fence(_) => Code::ServerTrouble,
            Self::Journal(_) => Code::Unwritable,
        }
    }
}

/// Builds everything and picks up every open intent. `program` is this binary: it guards the children.
pub async fn build(settings: &Settings, program: &Path) -> Result<Arc<App>, StartError> {
    let rules = Rules::read(settings)?;
    let inventory = crate::inventory::read(settings.inventory.as_deref())?;
    let servers = servers(settings, program)?;
    let admin = data_folder(&settings.data)?;
    let options = OpenOptions {
        keys: Some(settings.data.join("keys")),
        accept_lost_tail: settings.accept_lost_tail,
        ..OpenOptions::default()
    };
    tracing::info!("opening the store");
    let journal = flyball_store::open(&settings.store, options)?;
    flyball_executors::fence_previous(journal.as_ref(), FENCE_DRAIN).await?;
    let mut options = flyball_executors::Options::new(program);
    options.pinning = match settings.pinning {
        Pinning::FirstUse => flyball_executors::Pinning::FirstUse,
        Pinning::Approve => flyball_executors::Pinning::Approve,
    };
    options.log_dir = Some(settings.data.join("logs"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let executors = Arc::new(Executors::start(servers, journal.clone(), clock.clone(), options).await?);
    let runbooks = rules.runbooks.clone();
    let policy: Arc<dyn Policy> = Arc::new(rules.policies);
    let planner = FlyballPlanner::new(rules.runbooks, models(settings, &settings.models)?, checker())?
        .with_ears(&models(settings, &settings.voice.models)?)?
        .with_budget(settings.model_budget.clone(), journal.clone(), clock.clone())
        .with_replans(settings.replans);
    let planner = Arc::new(planner);
    let executor: Arc<dyn ToolExecutor> = executors.clone();
    let supervisor = Supervisor::new(Deps {
        journal,
        executor,
        planner: planner.clone(),
        policy: policy.clone(),
        clock: clock.clone(),
        contracts: Arc::new(rules.contracts),
        inventory,
        limits: Limits::default(),
        deadline: Some(settings.deadline.duration()),
        build: concat!("flyball ", env!("CARGO_PKG_VERSION")).to_owned(),
    });
    // No server is waited for: each intent waits for its own.
    supervisor.start().await?;
    Ok(Arc::new(App {
        supervisor,
        executors,
        policy,
        clock,
        runbooks,
        planner,
        longest_recording: settings.voice.limit,
        tokens: Tokens::new(&admin, &settings.users),
        keys_in_flight: InFlight::default(),
        stopping: CancellationToken::new(),
    }))
}

/// What the operator wrote, all of it or every mistake.
struct Rules {
    contracts: flyball_engine::contract::Contracts,
    runbooks: Runbooks,
    policies: flyball_policies::Policies,
}

impl Rules {
    /// Side by side: each takes longer than all the rest of a start.
    fn read(settings: &Settings) -> Result<Self, StartError> {
        let read = std::thread::scope(|threads| {
            let contracts = threads.spawn(|| library::contracts(settings, None));
            let policies = threads.spawn(|| library::policies(settings));
            let runbooks = library::runbooks(settings);
            let (contracts, policies) = (contracts.join(), policies.join());
            (
                contracts.unwrap_or_else(|p| resume_unwind(p)),
                runbooks,
                policies.unwrap_or_else(|p| resume_unwind(p)),
            )
        });
        match read {
            (Ok(contracts), Ok(runbooks), Ok(policies)) => Ok(Self {
                contracts,
                runbooks,
                policies,
            }),
            (contracts, runbooks, policies) => {
                let findings = [contracts.err(), runbooks.err(), policies.err()];
                Err(StartError::Settings(findings.into_iter().flatten().flatten().collect()))
            }
        }
    }
}

/// Makes the data folder (mode 0700) and the administrator's token.
fn data_folder(data: &Path) -> Result<String, StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let trouble = |source| StartError::Data {
        path: data.to_owned(),
        source,
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(data).map_err(trouble)?;
    auth::admin_token(data).map_err(trouble)
}

/// The servers with their secrets in place. Children run in the settings' folder, so that relative paths are its.
pub fn servers(settings: &Settings, program: &Path) -> Result<Vec<ServerSettings>, StartError> {
    let mut servers = Vec::new();
    let mut findings = Vec::new();
    for (alias, server) in &settings.servers {
        match entry(server, settings, program).map(|e| ServerSettings::from_entry(alias.clone(), e)) {
            Ok(Ok(server)) => servers.push(server),
            Ok(Err(bad)) => findings.push(Finding::nowhere("mcp_servers", bad.to_string())),
            Err(error) => {
                let suggestion = error.suggestion();
                findings.push(Finding::nowhere(format!("mcp_servers {alias}"), error.to_string()).suggest(suggestion));
            }
        }
    }
    if findings.is_empty() {
        Ok(servers)
    } else {
        Err(StartError::Settings(findings))
    }
}

fn entry(server: &Server, settings: &Settings, program: &Path) -> Result<ServerEntry, crate::settings::secret::Error> {
    let open = |text: &String| expand(text, &settings.dir);
    let all = |map: &BTreeMap<String, String>| {
        let open = |(k, v): (&String, &String)| Ok((k.clone(), expand(v, &settings.dir)?));
        map.iter().map(open).collect::<Result<BTreeMap<_, _>, _>>()
    };
    let command = server.command.as_ref().map(open).transpose()?;
    let command = command.map(|c| match c.as_str() {
        "flyball" => program.display().to_string(),
        _ => c,
    });
    let stdio = command.is_some();
    let cwd = server.cwd.as_ref().map(|c| settings.dir.join(c));
    Ok(ServerEntry {
        kind: server.kind.clone(),
        command,
        args: server.args.iter().map(open).collect::<Result<_, _>>()?,
        env: all(&server.env)?,
        cwd: cwd.or_else(|| stdio.then(|| settings.dir.clone())),
        url: server.url.as_ref().map(open).transpose()?,
        headers: all(&server.headers)?,
        remote: server.remote,
        ..ServerEntry::default()
    })
}

fn models(settings: &Settings, models: &[crate::settings::Model]) -> Result<Vec<ModelSettings>, StartError> {
    let one = |model: &crate::settings::Model| {
        let key = model.api_key.as_ref().map(|k| k.resolve(&settings.dir)).transpose();
        let key = key.map_err(|e| {
            let suggestion = e.suggestion();
            Finding::nowhere(format!("api_key of the model {}", model.name), e.to_string()).suggest(suggestion)
        })?;
        Ok(ModelSettings {
            base_url: model.base_url.clone(),
            name: model.name.clone(),
            api_key: key.map(ApiKey::new),
            timeout: model.timeout.duration(),
            price: model.price,
        })
    };
    let read = models.iter().map(one).collect::<Result<Vec<_>, _>>();
    read.map_err(|finding: Finding| StartError::Settings(vec![finding]))
}

/// The engine's own check, which the planner repairs drafts against.
fn checker() -> Checker {
    Arc::new(|draft, params, context: &PlanningContext| -> Vec<Fault> {
        let context = CheckContext {
            catalogue: &context.catalogue,
            contracts: &context.contracts,
            params: params.clone(),
            alarm: serde_json::Value::Null,
            limits: Limits::default(),
        };
        check(draft, &context).err().unwrap_or_default()
    })
}
