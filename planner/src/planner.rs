//! The order in which a plan is looked for: the first that fits.

use crate::choice::{self, Asked, Chosen};
use crate::draft::{self, Drafted};
use crate::grounding::{Ground, targets};
use crate::model::{Error, ModelBudget, ModelSettings, Models, Purse, Spent};
use crate::prompt::LONGEST_INTENT;
use crate::record::Record;
use crate::runbook::{PhraseMatch, Runbook, Runbooks};
use crate::voice::{Ears, Recording, Spoken, Unheard};
use async_trait::async_trait;
use flyball_engine::fault::{Fault, nearest};
use flyball_engine::intent::event::{PlanSource, PlanStage, StageEnd};
use flyball_engine::intent::meaning::Meaning;
use flyball_engine::intent::{LONGEST_TEXT, Request, Wish};
use flyball_engine::journal::Journal;
use flyball_engine::ports::{Clock, PlanAnswer, Planned, Planner, PlanningContext};
use serde_json::Value;
use std::sync::Arc;

/// How many runbooks a refusal names when none is near.
const NAMED: usize = 12;

/// The engine's plan check: draft and parameters → all faults, pointers from `/plan`.
pub type Checker = Arc<dyn Fn(&Value, &Value, &PlanningContext) -> Vec<Fault> + Send + Sync>;

/// Words → draft: a phrase of a runbook, a runbook that the model chose, a plan that the model wrote, or a refusal.
pub struct FlyballPlanner {
    pub(crate) runbooks: Runbooks,
    pub(crate) models: Option<Models>,
    ears: Ears,
    purse: Arc<Purse>,
    pub(crate) checker: Checker,
    /// How often another plan may be looked for, after one has failed.
    pub(crate) replans: u32,
}

impl FlyballPlanner {
    /// `models`: the preferred one first; without any only phrases and runbooks are understood. An error says that a
    /// model's settings are unusable; no model is asked anything yet.
    pub fn new(
        runbooks: Runbooks,
        models: impl IntoIterator<Item = ModelSettings>,
        checker: Checker,
    ) -> Result<Self, Error> {
        let models: Vec<ModelSettings> = models.into_iter().collect();
        let purse = Arc::new(Purse::new(ModelBudget::default(), None));
        Ok(Self {
            runbooks,
            models: Models::new(&models, purse.clone())?,
            ears: Ears::new(&[], purse.clone())?,
            purse,
            checker,
            replans: 0,
        })
    }

    /// With models that hear spoken words, the preferred one first.
    pub fn with_ears(mut self, models: &[ModelSettings]) -> Result<Self, Error> {
        self.ears = Ears::new(models, self.purse.clone())?;
        Ok(self)
    }

    /// Whether any model can be asked to hear a recording.
    pub fn can_hear(&self) -> bool {
        self.ears.are_there()
    }

    /// What a recording says.
    pub async fn hear(&self, recording: &Recording) -> Result<Spoken, Unheard> {
        self.ears.hear(recording).await
    }

    /// Holds the models to a budget. What the day has cost is kept in the journal.
    #[must_use]
    pub fn with_budget(mut self, budget: ModelBudget, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        self.purse = Arc::new(Purse::new(budget, Some((journal, clock))));
        if let Some(models) = &mut self.models {
            models.hold_to(self.purse.clone());
        }
        self.ears.hold_to(self.purse.clone());
        self
    }

    /// How often another plan may be looked for, after one has failed and is taken back. Not said: never.
    #[must_use]
    pub fn with_replans(mut self, replans: u32) -> Self {
        self.replans = replans;
        self
    }

    /// What all intents have spent on models today.
    pub async fn spent_today(&self) -> Spent {
        self.purse.today().await.1
    }

    pub fn runbooks(&self) -> &Runbooks {
        &self.runbooks
    }

    fn runbook(&self, id: &str, params: &Value, request: &Request) -> PlanAnswer {
        let Some(runbook) = self.runbooks.get(id) else {
            let near = nearest(id, self.runbooks.iter().map(|runbook| runbook.id.as_str()));
            let instead = if near.is_none() { self.known() } else { String::new() };
            return refused(
                format!("there is no runbook `{id}`{instead}"),
                near.into_iter().map(str::to_owned).collect(),
                Vec::new(),
            );
        };
        match runbook.accept(params) {
            Ok(params) => from_runbook(runbook, params, request),
            Err(faults) => {
                let reason = format!("the runbook `{id}` does not accept these parameters");
                refused(reason, vec![id.to_owned()], faults)
            }
        }
    }

    /// What a person has said is meant.
    fn meant(&self, meant: &Meaning, request: &Request, record: &mut Record) -> PlanAnswer {
        let why = format!("a person has said that the runbook {} is meant", meant.runbook);
        record.stage(PlanStage::Phrase, StageEnd::Fits, why);
        self.runbook(&meant.runbook, &meant.params, request)
    }

    async fn text(&self, text: &str, request: &Request, context: &PlanningContext, record: &mut Record) -> PlanAnswer {
        if text.len() > LONGEST_TEXT {
            let why = format!("the text is longer than {LONGEST_TEXT} bytes");
            record.stage(PlanStage::Phrase, StageEnd::Passed, why.clone());
            return refused(format!("{why}: say it in fewer words"), Vec::new(), Vec::new());
        }
        let found = self.runbooks.find(text);
        let (end, why) = by_phrase(&found, self.runbooks.nearly(text));
        record.stage(PlanStage::Phrase, end, why);
        match (found, &self.models) {
            (PhraseMatch::One { runbook, params }, _) => from_runbook(runbook, params, request),
            (PhraseMatch::Several(several), _) => which(&several),
            (PhraseMatch::Broken { runbook, faults }, _) => {
                let reason = format!("the runbook `{}` fits, but {}", runbook.id, told(&faults));
                refused(reason, vec![runbook.id.clone()], faults)
            }
            (PhraseMatch::None, None) => self.not_understood(text, "no model is configured", Vec::new()),
            (PhraseMatch::None, Some(_)) if text.chars().count() > LONGEST_INTENT => {
                let why = format!("the text is longer than {LONGEST_INTENT} characters");
                self.not_understood(text, &why, Vec::new())
            }
            (PhraseMatch::None, Some(models)) => {
                let ground = Ground::of(text);
                let asked = Asked {
                    text,
                    alarm: &request.alarm,
                    ground: &ground,
                    context,
                    tried: &[],
                };
                self.ask(models, &asked, request, record).await
            }
        }
    }

    async fn ask(&self, models: &Models, asked: &Asked<'_>, request: &Request, record: &mut Record) -> PlanAnswer {
        let chosen = choice::choose(models, &self.runbooks, asked, record).await;
        let (end, why) = by_choice(&chosen, !record.calls.is_empty());
        record.stage(PlanStage::Choice, end, why);
        match chosen {
            // The model's doing, reviewed plan or not: a person approves what it writes.
            Chosen::Runbook { runbook, params } => drafted(runbook, params, by_model(record), request),
            Chosen::Unreachable(why) => self.not_understood(asked.text, &why, Vec::new()),
            // It may have been the wrong one. If no plan fits either, what it lacks is the better question.
            Chosen::Unsaid { runbook, faults } => match self.draft(models, asked, record).await {
                PlanAnswer::Refused { .. } => unsaid(runbook, faults),
                plan => plan,
            },
            Chosen::None => self.draft(models, asked, record).await,
        }
    }

    pub(crate) async fn draft(&self, models: &Models, asked: &Asked<'_>, record: &mut Record) -> PlanAnswer {
        match draft::draft(models, asked, &self.checker, record).await {
            Drafted::Draft(draft) => {
                record.stage(PlanStage::Draft, StageEnd::Fits, "the model's plan has no fault");
                PlanAnswer::Draft {
                    source: by_model(record),
                    draft,
                    params: Value::Null,
                    replans: 0,
                }
            }
            Drafted::Refused { reason, faults } => {
                record.stage(PlanStage::Draft, StageEnd::Stopped, reason.clone());
                match asked.tried.is_empty() {
                    true => self.not_understood(asked.text, &reason, faults),
                    // The words were understood the first time.
                    false => refused(reason, Vec::new(), faults),
                }
            }
        }
    }

    /// No phrase says this, and why nothing else helped; with what could be said instead.
    fn not_understood(&self, text: &str, why: &str, faults: Vec<Fault>) -> PlanAnswer {
        if let Some((runbook, wrong)) = self.runbooks.nearly(text) {
            let reason = format!(
                "a phrase of the runbook `{}` says this, but {}; {why}",
                runbook.id,
                told(&wrong)
            );
            let faults = if faults.is_empty() { wrong } else { faults };
            return refused(reason, vec![runbook.id.clone()], faults);
        }
        let near = self.runbooks.nearest(text);
        let example = near.first().and_then(|runbook| runbook.phrases().next());
        let hint = example
            .map(|phrase| format!("; one that comes close: \"{phrase}\""))
            .or_else(|| near.is_empty().then(|| self.known()))
            .unwrap_or_default();
        let reason = format!("no runbook's phrase says this, and {why}{hint}");
        refused(reason, near.iter().map(|runbook| runbook.id.clone()).collect(), faults)
    }

    /// What there is, for a refusal that comes close to nothing: a dead end would help nobody.
    fn known(&self) -> String {
        let mut ids: Vec<&str> = self.runbooks.iter().map(|runbook| runbook.id.as_str()).collect();
        ids.sort_unstable();
        let more = ids.len().saturating_sub(NAMED);
        ids.truncate(NAMED);
        match (ids.is_empty(), more) {
            (true, _) => "; there are no runbooks at all".to_owned(),
            (_, 0) => format!("; there are {}", ids.join(", ")),
            _ => format!(
                "; there are {} and {more} more, see: flyball runbook list",
                ids.join(", ")
            ),
        }
    }
}

pub(crate) fn from_runbook(runbook: &Runbook, params: Value, request: &Request) -> PlanAnswer {
    let source = PlanSource::Runbook { id: runbook.id.clone() };
    drafted(runbook, params, source, request)
}

/// The runbook's plan. Refused before anything is read if it wants a window and the intent names none.
fn drafted(runbook: &Runbook, params: Value, source: PlanSource, request: &Request) -> PlanAnswer {
    if runbook.window_required && request.window.is_none() {
        let message = format!(
            "the runbook `{}` runs only within a window, and the intent names none",
            runbook.id
        );
        let fault = Fault::new("/window", "runbook.window", message.clone());
        let fault = fault.suggest("say from when until when: --window FROM..UNTIL, or `window` in the API");
        return refused(message, vec![runbook.id.clone()], vec![fault]);
    }
    PlanAnswer::Draft {
        source,
        draft: runbook.draft(&params),
        params,
        replans: 0,
    }
}

fn unsaid(runbook: &Runbook, faults: Vec<Fault>) -> PlanAnswer {
    let reason = format!(
        "the runbook `{}` seems to be meant, but the text does not say all that it needs",
        runbook.id
    );
    refused(reason, vec![runbook.id.clone()], faults)
}

/// A question, not a guess.
fn which(several: &[(&Runbook, Value)]) -> PlanAnswer {
    let meaning = |(runbook, params): &(&Runbook, Value)| Meaning {
        runbook: runbook.id.clone(),
        title: runbook.title.clone(),
        params: params.clone(),
    };
    PlanAnswer::Several {
        meanings: several.iter().map(meaning).collect(),
    }
}

pub(crate) fn refused(reason: String, nearest: Vec<String>, faults: Vec<Fault>) -> PlanAnswer {
    PlanAnswer::Refused {
        reason,
        nearest,
        faults,
    }
}

/// What is wrong with the values, in words.
fn told(faults: &[Fault]) -> String {
    let all: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    all.join(", and ")
}

/// What looking for a phrase came to, in words.
fn by_phrase(found: &PhraseMatch<'_>, nearly: Option<(&Runbook, Vec<Fault>)>) -> (StageEnd, String) {
    match found {
        PhraseMatch::None if nearly.is_some() => {
            let why = nearly.map(|(runbook, faults)| {
                format!(
                    "a phrase of the runbook {} says this, but {}",
                    runbook.id,
                    told(&faults)
                )
            });
            (StageEnd::Passed, why.unwrap_or_default())
        }
        PhraseMatch::None => (StageEnd::Passed, "no runbook's phrase says this".into()),
        PhraseMatch::One { runbook, .. } => (StageEnd::Fits, format!("a phrase of the runbook {}", runbook.id)),
        PhraseMatch::Several(several) => (
            StageEnd::Stopped,
            format!("{} readings are equally good", several.len()),
        ),
        PhraseMatch::Broken { runbook, faults } => {
            let why = format!("the runbook {} does not accept it: {}", runbook.id, told(faults));
            (StageEnd::Stopped, why)
        }
    }
}

/// What asking for a runbook came to, in words.
fn by_choice(chosen: &Chosen<'_>, asked: bool) -> (StageEnd, String) {
    match chosen {
        Chosen::None if !asked => (StageEnd::Passed, "no runbook is about it".into()),
        Chosen::None => (StageEnd::Passed, "the model sees no runbook that fits".into()),
        Chosen::Runbook { runbook, .. } => (StageEnd::Fits, format!("the model chose the runbook {}", runbook.id)),
        Chosen::Unreachable(why) => (StageEnd::Stopped, why.clone()),
        Chosen::Unsaid { runbook, .. } => {
            let why = format!("the text does not say all that the runbook {} needs", runbook.id);
            (StageEnd::Passed, why)
        }
    }
}

fn by_model(record: &Record) -> PlanSource {
    PlanSource::Model {
        name: record.last_model(),
    }
}

/// A plan that touches what nobody has is refused before anything is read for it. An operator's own goes on as it is.
fn on_known_devices(answer: PlanAnswer, context: &PlanningContext) -> PlanAnswer {
    let faults = match &answer {
        PlanAnswer::Draft {
            source, draft, params, ..
        } if *source != PlanSource::Operator => targets::unknown(draft, params, context),
        _ => Vec::new(),
    };
    match faults.first() {
        None => answer,
        Some(first) => refused(format!("not on this network: {}", first.message), Vec::new(), faults),
    }
}

#[async_trait]
impl Planner for FlyballPlanner {
    async fn plan(&self, request: &Request, context: &PlanningContext) -> Planned {
        // What it took to hear the words counts against the intent's budget as what it takes to understand them.
        let heard = request.heard.as_ref().map(Spent::of_hearing).unwrap_or_default();
        let mut record = Record::of(Spent {
            tokens: context.tokens_spent.max(heard.tokens),
            cost: context.cost_spent.max(heard.cost),
        });
        let answer = match &request.wish {
            _ if !context.tried.is_empty() => self.again(request, context, &mut record).await,
            Wish::Plan(draft) => PlanAnswer::Draft {
                source: PlanSource::Operator,
                draft: draft.clone(),
                params: Value::Null,
                replans: 0,
            },
            Wish::Runbook { id, params } => self.runbook(id, params, request),
            Wish::Text(text) => match &context.meant {
                Some(meant) => self.meant(meant, request, &mut record),
                None => self.text(text, request, context, &mut record).await,
            },
        };
        Planned {
            model_calls: record.calls,
            notes: record.notes,
            answer: self.promising(on_known_devices(answer, context), request, context),
        }
    }
}
