//! What is told of the brake.

use flyball::http::dto::HaltView;
use flyball_engine::actor::Actor;
use flyball_engine::intent::event::Decision;
use flyball_tests::engine::Engine;
use flyball_tests::world::World;

#[tokio::test(start_paused = true)]
async fn a_halt_that_cannot_be_recorded_holds_and_nobody_is_told_of_it_as_recorded() {
    let engine = Engine::over(&World::of(&["a"]), Decision::Run).await;
    let (supervisor, anna) = (&engine.supervisor, Actor::human("anna"));
    let mut told = supervisor.watch_halt();
    engine.journal.refuse_writes(Some("the disk is full"));
    supervisor.halt(&anna, Some("storm")).await.unwrap_err();
    assert!(supervisor.halted().is_some(), "it holds all the same");
    assert!(!supervisor.is_halt_recorded());
    assert!(!told.has_changed().unwrap(), "{:?}", told.borrow());

    engine.journal.refuse_writes(None);
    supervisor.halt(&anna, Some("storm")).await.unwrap();
    assert!(supervisor.is_halt_recorded());
    let halt = told
        .borrow_and_update()
        .clone()
        .expect("it is told of once it is recorded");
    let mut view = HaltView::of(&halt);
    assert!(!view.line().contains("not recorded"), "{}", view.line());
    view.unrecorded = true;
    assert!(
        view.line()
            .ends_with(": storm (not recorded: it ends with this engine)"),
        "{}",
        view.line()
    );
    supervisor.unhalt(&anna).await.unwrap();
    assert_eq!((supervisor.halted(), told.borrow_and_update().clone()), (None, None));
    assert!(supervisor.is_halt_recorded());
}
