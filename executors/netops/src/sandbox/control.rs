//! The control socket: JSON lines, one request, one reply; several connections at once.
//!
//! `{"cmd":"devices"}` · `adjacencies` · `show {device, what: running|startup}` · `log {device, after?}` ·
//! `fault {device, kind, times?, …}` · `clear {device?}` · `release {device}` · `edit {device, lines}` ·
//! `wait {device, match, timeout_ms, after?}`. A reply is `{"ok":true,…}` or `{"ok":false,"error":"…"}`.

mod request;

use std::path::Path;
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::command::{Mode, Show};
use super::network::State;
use super::shell::Shell;
use super::show;
use super::world::{Device, Shared, World};
use request::Request;

/// Asks a sandbox one thing and gives its reply, `ok` included.
pub async fn ask(socket: &Path, request: &Value) -> std::io::Result<Value> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    let mut reply = String::new();
    stream.read_line(&mut reply).await?;
    Ok(serde_json::from_str(&reply)?)
}

/// Answers until told to stop.
pub(crate) async fn serve(listener: UnixListener, world: Shared, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(converse(stream, world.clone()))),
            Err(error) => tracing::warn!(%error, "a control connection could not be accepted"),
        }
    }
}

async fn converse(stream: UnixStream, world: Shared) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match answer(&world, &line).await {
            Ok(Value::Object(mut fields)) => {
                fields.insert("ok".to_owned(), Value::Bool(true));
                Value::Object(fields)
            }
            Ok(other) => json!({"ok": true, "value": other}),
            Err(error) => json!({"ok": false, "error": error}),
        };
        if writer.write_all(format!("{reply}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer(world: &Shared, line: &str) -> Result<Value, String> {
    let request: Request = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match request {
        Request::Wait {
            device,
            r#match,
            timeout_ms,
            after,
        } => wait(world, &device, &pattern(&r#match)?, timeout_ms, after).await,
        other => at_once(&mut world.lock(), other),
    }
}

fn at_once(world: &mut World, request: Request) -> Result<Value, String> {
    match request {
        Request::Devices => Ok(json!({"devices": devices(world)})),
        Request::Adjacencies => Ok(json!({"adjacencies": adjacencies(world)})),
        Request::Show { device, what } => {
            find(world, &device)?;
            let what = match what.as_str() {
                "running" => Show::Running,
                "startup" => Show::Startup,
                other => {
                    return Err(format!("nothing called {other:?} to show: running or startup"));
                }
            };
            Ok(json!({"text": show::show(world, &device, what)}))
        }
        Request::Log { device, after } => {
            let entries: Vec<Value> = find(world, &device)?.log.after(after).map(entry).collect();
            Ok(json!({"entries": entries}))
        }
        Request::Fault { device, times, kind } => {
            let kind = kind.into_kind(|peer| find_name(world, peer))?;
            find(world, &device)?.faults.add(kind, times);
            Ok(json!({}))
        }
        Request::Clear { device } => {
            let names = device.map_or_else(|| world.devices.keys().cloned().collect(), |device| vec![device]);
            for name in names {
                let device = find(world, &name)?;
                device.faults.clear();
                release(device);
            }
            Ok(json!({}))
        }
        Request::Release { device } => Ok(json!({"released": release(find(world, &device)?)})),
        Request::Edit { device, lines } => edit(world, &device, &lines),
        Request::Wait { .. } => Err("wait does not answer at once".to_owned()),
    }
}

fn find<'w>(world: &'w mut World, device: &str) -> Result<&'w mut Device, String> {
    world
        .devices
        .get_mut(device)
        .ok_or_else(|| format!("no device named {device:?}"))
}

fn find_name(world: &World, device: &str) -> Result<(), String> {
    if world.devices.contains_key(device) {
        Ok(())
    } else {
        Err(format!("no device named {device:?}"))
    }
}

/// A regular expression from a request.
fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

fn release(device: &mut Device) -> usize {
    // A session that died meanwhile no longer listens and does not count.
    device.held.drain(..).filter_map(|held| held.send(()).ok()).count()
}

fn devices(world: &World) -> Vec<Value> {
    let describe = |(name, device): (&String, &Device)| {
        json!({
            "name": name,
            "site": device.site,
            "role": device.role,
            "platform": device.dialect,
            "address": device.address.ip(),
            "port": device.address.port(),
            "sessions": world.sessions.values().filter(|session| session.device == *name).count(),
        })
    };
    world.devices.iter().map(describe).collect()
}

fn adjacencies(world: &World) -> Vec<Value> {
    let describe = |(index, link): (usize, &super::network::Link)| {
        let end = |end: &super::network::End| json!({"device": end.device, "interface": end.interface});
        let state = world.network.state(index);
        json!({"a": end(&link.a), "b": end(&link.b), "state": state, "full": state == State::Full})
    };
    world.network.links().iter().enumerate().map(describe).collect()
}

fn entry((position, entry, held): (usize, &super::log::Entry, bool)) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_else(|_| json!({}));
    if let Some(fields) = value.as_object_mut() {
        fields.insert("position".to_owned(), json!(position));
        fields.insert("held".to_owned(), json!(held));
    }
    value
}

/// Somebody else's configuration session, from the console. Faults do not act on it.
fn edit(world: &mut World, device: &str, lines: &[String]) -> Result<Value, String> {
    let dialect = find(world, device)?.dialect;
    let mut shell = Shell {
        device: device.to_owned(),
        dialect,
        mode: Mode::Config,
        question: None,
        page: 0,
        session: 0,
        peer: "console".to_owned(),
        user: "intruder".to_owned(),
        console: true,
        enable_secret: None,
    };
    let mut results = Vec::new();
    for line in lines {
        let outcome = shell.execute(world, line);
        results.push(json!({"line": line, "refused": outcome.refused, "text": outcome.text}));
    }
    shell.end(world);
    Ok(json!({"results": results}))
}

/// Replies once a matching line has been executed after position `after`.
async fn wait(world: &Shared, device: &str, lines: &Regex, timeout_ms: u64, after: usize) -> Result<Value, String> {
    let mut logged = world.lock().logged.subscribe();
    let search = async {
        loop {
            logged.borrow_and_update();
            {
                let mut world = world.lock();
                let log = &find(&mut world, device)?.log;
                if let Some(found) = log
                    .after(after)
                    .find(|(_, entry, _)| lines.is_match(&entry.line))
                    .map(entry)
                {
                    return Ok(json!({"position": found["position"], "held": found["held"], "entry": found}));
                }
            }
            if logged.changed().await.is_err() {
                return Err("the sandbox is going down".to_owned());
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_millis(timeout_ms), search).await;
    waited.unwrap_or_else(|_| Err(format!("no matching line within {timeout_ms} ms")))
}
