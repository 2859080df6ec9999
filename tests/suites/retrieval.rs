//! The right tools among the few that a model is shown, out of five hundred.

use crate::planning::recall;

#[test]
fn of_five_hundred_tools_the_right_ones_are_among_the_eight_shown_for_nineteen_intents_of_twenty() {
    let (mut found, mut intents) = (0, 0);
    for (name, recall) in recall::on(500) {
        assert!(
            recall.longest_prompt <= 10_000,
            "{name}: {} tokens",
            recall.longest_prompt
        );
        assert!(recall.mean_shown <= 8.0);
        // How people speak, written by others after the rest was tuned: it tells what to expect elsewhere.
        let floor = match name {
            recall::EVERYDAY => Some(0.9),
            recall::HELD_OUT => Some(0.78),
            _ => None,
        };
        assert!(recall.share() >= floor.unwrap_or(0.9), "{name}: {:#?}", recall.missed);
        if floor.is_some() {
            continue;
        }
        found += recall.found;
        intents += recall.intents;
    }
    // Of the made-up tools a few have no room in the catalogue, and nothing is asked of those.
    assert!(intents >= 170, "only {intents} intents");
    assert!(found * 20 >= intents * 19, "{found} of {intents}");
}
