//! The journal of an intent: as pages, or as a stream that can be resumed at any entry.

use super::app::{App, Shared, journal_problem};
use super::dto::{EntryPage, EntryView, HaltView};
use super::halt;
use super::problem::Problem;
use super::query::Params;
use super::views;
use crate::auth::Caller;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::Event;
use flyball_engine::journal::{Seq, StoredEntry};
use flyball_engine::supervisor::Halt;
use futures::Stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// Entries read at once by a stream.
const PAGE: usize = 200;
/// How often a comment keeps an idle stream open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(super) struct EventsQuery {
    /// Entries after this number; `Last-Event-ID` says the same.
    pub after: Option<u64>,
    /// At most this many (1 to 1000, default 200); pages only.
    pub limit: Option<usize>,
}

/// The entries: JSON pages, or `text/event-stream` with `id:` = number, resumed by `Last-Event-ID`. The stream also tells of
/// halts and their ends, as events named `halt` without a number.
#[utoipa::path(get, path = "/v1/intents/{id}/events", params(("id" = String, Path), EventsQuery), tag = "intents",
    responses((status = 200, body = EntryPage), (status = 204, description = "A stream that has nothing more to come."),
        (status = 404, body = Problem)))]
pub(super) async fn events(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    Params(query): Params<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = app.state(&caller, &id).await?;
    let after = resume_at(&headers, &query)?;
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    if !accept.contains("text/event-stream") {
        return Ok(Json(page(&app, state.id, after, query.limit).await?).into_response());
    }
    // 204 tells an EventSource to stop asking.
    if state.ended.is_some() && after >= state.seq {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("waiting");
    Ok(Sse::new(stream(app, state.id, after))
        .keep_alive(keep_alive)
        .into_response())
}

fn resume_at(headers: &HeaderMap, query: &EventsQuery) -> Result<Seq, Problem> {
    match headers.get("last-event-id") {
        None => Ok(query.after.unwrap_or(0)),
        Some(value) => {
            let number = value.to_str().ok().and_then(|v| v.trim().parse().ok());
            number.ok_or_else(|| Problem::parameter("Last-Event-ID", "the number of an entry"))
        }
    }
}

async fn page(app: &App, intent: IntentId, after: Seq, limit: Option<usize>) -> Result<EntryPage, Problem> {
    let limit = limit.unwrap_or(PAGE);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::parameter("limit", "1 to 1000"));
    }
    let entries = app
        .journal()
        .read(intent, after, limit)
        .await
        .map_err(|e| journal_problem(&e))?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|e| e.entry.seq);
    Ok(EntryPage {
        entries: entries.iter().map(views::entry).collect(),
        next,
    })
}

/// Where a stream stands.
struct Tail {
    app: Arc<App>,
    intent: IntentId,
    after: Seq,
    grown: tokio::sync::watch::Receiver<u64>,
    halted: tokio::sync::watch::Receiver<Option<Halt>>,
    ready: VecDeque<EntryView>,
    ended: bool,
}

fn stream(app: Arc<App>, intent: IntentId, after: Seq) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    // Watched before the first read, so that nothing can slip in between.
    let grown = app.journal().watch(intent);
    let mut halted = app.supervisor.watch_halt();
    if halted.borrow().is_some() {
        halted.mark_changed();
    }
    let tail = Tail {
        halted,
        app,
        intent,
        after,
        grown,
        ready: VecDeque::new(),
        ended: false,
    };
    futures::stream::unfold(tail, |mut tail| async move {
        let event = match tail.next().await? {
            Told::Entry(entry) => {
                let event = SseEvent::default().id(entry.seq.to_string()).event(&entry.kind);
                event.json_data(&entry)
            }
            Told::Halt(halt) => SseEvent::default().event("halt").json_data(&halt),
        };
        Some((Ok(event.unwrap_or_default()), tail))
    })
}

/// What a stream tells.
enum Told {
    Entry(Box<EntryView>),
    Halt(HaltView),
}

impl Tail {
    /// The next thing to tell; none when the intent has ended, the server stops or the journal cannot be read.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.after = entry.seq;
                return Some(Told::Entry(Box::new(entry)));
            }
            if self.ended {
                return None;
            }
            self.grown.borrow_and_update();
            let entries = self.app.journal().read(self.intent, self.after, PAGE).await.ok()?;
            if entries.is_empty() {
                let stopping = self.app.stopping.clone();
                tokio::select! {
                    changed = self.halted.changed() => {
                        changed.ok()?;
                        return halt::recorded(&self.app).await.ok().map(Told::Halt);
                    }
                    changed = self.grown.changed() => changed.ok()?,
                    () = stopping.cancelled() => return None,
                }
            }
            self.ended = entries.iter().any(is_end);
            self.ready.extend(entries.iter().map(views::entry));
        }
    }
}

fn is_end(stored: &StoredEntry) -> bool {
    matches!(stored.entry.event, Event::IntentEnded { .. })
}
