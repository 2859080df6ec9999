//! What models may cost: tokens and money, per intent and per day. Judged before a question is asked, by what it will take
//! at most, so that a budget is never passed; and told while there is still some of it left.

use flyball_engine::intent::heard::Heard;
use flyball_engine::journal::Journal;
use flyball_engine::ports::Clock;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The fact under which the day's spending is kept, so that a restart does not begin anew.
const TODAY: &str = "model/today";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// From this share on, what is left is told.
const TELL_FROM: f64 = 0.8;

/// Limits; none means no limit. Money is in the unit of the models' prices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelBudget {
    pub tokens_per_intent: Option<u64>,
    pub tokens_per_day: Option<u64>,
    pub cost_per_intent: Option<f64>,
    pub cost_per_day: Option<f64>,
}

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub tokens: u64,
    #[serde(default)]
    pub cost: f64,
}

impl Spent {
    /// What it took to hear words.
    pub(crate) fn of_hearing(heard: &Heard) -> Self {
        let (input, output) = heard.tokens();
        Self {
            tokens: input + output,
            cost: heard.cost,
        }
    }

    pub(crate) fn add(&mut self, other: Spent) {
        self.tokens += other.tokens;
        self.cost += other.cost;
    }
}

/// The day's spending of all intents.
pub(crate) struct Purse {
    budget: ModelBudget,
    /// Where it is kept and what day it is; none: in memory, for as long as the process lives.
    kept: Option<(Arc<dyn Journal>, Arc<dyn Clock>)>,
    /// Day since 1970, and what was spent on it; none until read.
    today: Mutex<Option<(i64, Spent)>>,
}

impl Purse {
    pub(crate) fn new(budget: ModelBudget, kept: Option<(Arc<dyn Journal>, Arc<dyn Clock>)>) -> Self {
        Self {
            budget,
            kept,
            today: Mutex::new(None),
        }
    }

    /// Whether a question that takes this much at most may be asked. An error says which budget stands in the way.
    pub(crate) async fn allows(&self, of_intent: Spent, most: Spent) -> Result<(), String> {
        let today = self.today().await.1;
        for limit in self.limits(of_intent, today) {
            if limit.used + (limit.of_spent)(&most) > limit.most {
                let (name, used, most) = (limit.name, limit.shown(limit.used), limit.shown(limit.most));
                return Err(format!(
                    "{name} does not allow another question: {used} of {most} are spent"
                ));
            }
        }
        Ok(())
    }

    /// Takes note of what a question took. The record of the call itself is in the intent's journal; if the day's sum
    /// cannot be kept, it is kept in memory.
    pub(crate) async fn spend(&self, spent: Spent) {
        let (day, sum) = {
            let mut today = self.today.lock().await;
            let (day, mut sum) = self.current(*today).await;
            sum.add(spent);
            *today = Some((day, sum));
            (day, sum)
        };
        if let Some((journal, _)) = &self.kept {
            let fact = serde_json::json!({"day": day, "spent": sum});
            if let Err(error) = journal.put_fact(TODAY, fact).await {
                tracing::warn!(%error, "the day's spending on models could not be kept");
            }
        }
    }

    /// What is nearly used up, in words; none while there is plenty.
    pub(crate) async fn nearly(&self, of_intent: Spent) -> Option<String> {
        let today = self.today().await.1;
        let limits = self.limits(of_intent, today);
        let told: Vec<String> = limits
            .iter()
            .filter(|limit| limit.used >= TELL_FROM * limit.most)
            .map(|limit| {
                format!(
                    "{}: {} of {} are spent",
                    limit.name,
                    limit.shown(limit.used),
                    limit.shown(limit.most)
                )
            })
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// The day and what was spent on it. A clock that goes back opens no new day.
    pub(crate) async fn today(&self) -> (i64, Spent) {
        let mut today = self.today.lock().await;
        let current = self.current(*today).await;
        *today = Some(current);
        current
    }

    async fn current(&self, known: Option<(i64, Spent)>) -> (i64, Spent) {
        let now = self
            .kept
            .as_ref()
            .map_or(0, |(_, clock)| clock.now_ms().div_euclid(DAY_MS));
        let known = match known {
            Some(known) => known,
            None => self.read().await,
        };
        if now > known.0 { (now, Spent::default()) } else { known }
    }

    async fn read(&self) -> (i64, Spent) {
        let fact = match &self.kept {
            Some((journal, _)) => journal.fact(TODAY).await.ok().flatten().unwrap_or_default(),
            None => Value::Null,
        };
        let spent = serde_json::from_value(fact["spent"].clone()).unwrap_or_default();
        (fact["day"].as_i64().unwrap_or(i64::MIN), spent)
    }

    fn limits(&self, of_intent: Spent, today: Spent) -> Vec<Limit> {
        let budget = &self.budget;
        let whole = |most: Option<u64>| most.map(|most| most as f64);
        let tokens = |spent: &Spent| spent.tokens as f64;
        let cost = |spent: &Spent| spent.cost;
        let limit = |name, most: Option<f64>, spent: &Spent, of_spent: fn(&Spent) -> f64| {
            let used = of_spent(spent);
            most.map(|most| Limit {
                name,
                most,
                used,
                of_spent,
            })
        };
        let (per_intent, per_day) = (whole(budget.tokens_per_intent), whole(budget.tokens_per_day));
        let all = [
            limit("the intent's budget of tokens", per_intent, &of_intent, tokens),
            limit("the day's budget of tokens", per_day, &today, tokens),
            limit("the intent's budget of cost", budget.cost_per_intent, &of_intent, cost),
            limit("the day's budget of cost", budget.cost_per_day, &today, cost),
        ];
        all.into_iter().flatten().collect()
    }
}

struct Limit {
    name: &'static str,
    most: f64,
    used: f64,
    of_spent: fn(&Spent) -> f64,
}

impl Limit {
    fn shown(&self, amount: f64) -> String {
        match self.name.ends_with("cost") {
            true => format!("{amount:.4}"),
            false => format!("{amount:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use flyball_engine::journal::memory::InMemoryJournal;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    struct Hand(AtomicI64);

    #[async_trait]
    impl Clock for Hand {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
        async fn sleep(&self, _: Duration) {}
    }

    fn tokens(tokens: u64) -> Spent {
        Spent { tokens, cost: 0.0 }
    }

    #[tokio::test]
    async fn a_budget_is_told_before_it_runs_out_and_never_passed() {
        let budget = ModelBudget {
            tokens_per_intent: Some(1_000),
            ..ModelBudget::default()
        };
        let purse = Purse::new(budget, None);
        assert!(purse.allows(tokens(0), tokens(1_000)).await.is_ok());
        assert!(purse.nearly(tokens(799)).await.is_none());
        assert_eq!(
            purse.nearly(tokens(800)).await.unwrap(),
            "the intent's budget of tokens: 800 of 1000 are spent"
        );
        let refused = purse.allows(tokens(800), tokens(201)).await.unwrap_err();
        assert!(refused.contains("800 of 1000"), "{refused}");
    }

    #[tokio::test]
    async fn the_days_spending_outlives_a_restart_and_ends_with_the_day() {
        let journal: Arc<dyn Journal> = Arc::new(InMemoryJournal::default());
        let clock = Arc::new(Hand(AtomicI64::new(5 * DAY_MS)));
        let budget = ModelBudget {
            tokens_per_day: Some(100),
            cost_per_day: Some(1.0),
            ..ModelBudget::default()
        };
        let purse = || Purse::new(budget.clone(), Some((journal.clone(), clock.clone() as Arc<dyn Clock>)));
        let first = purse();
        first.spend(Spent { tokens: 60, cost: 0.9 }).await;
        let second = purse();
        assert_eq!(second.today().await.1.tokens, 60);
        assert!(
            second
                .allows(tokens(0), tokens(41))
                .await
                .unwrap_err()
                .contains("the day's budget of tokens")
        );
        assert!(second.allows(tokens(0), tokens(40)).await.is_ok());
        let dear = Spent { tokens: 1, cost: 0.2 };
        assert!(
            second
                .allows(tokens(0), dear)
                .await
                .unwrap_err()
                .contains("0.9000 of 1.0000")
        );
        assert!(
            second
                .nearly(tokens(0))
                .await
                .unwrap()
                .contains("the day's budget of cost")
        );
        clock.0.store(6 * DAY_MS, Ordering::SeqCst);
        assert_eq!(second.today().await.1.tokens, 0);
        clock.0.store(5 * DAY_MS, Ordering::SeqCst);
        assert_eq!(second.today().await.0, 6, "a clock that goes back opens no new day");
    }
}
