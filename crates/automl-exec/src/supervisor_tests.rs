//! Cases and properties of the supervisor.

use proptest::prelude::*;

use super::*;

fn look(at_ms: u64, claim: Claim, runner: RunnerState) -> Evidence {
    let at = Moment { monotonic_ms: at_ms, wall_ms: 1_000_000 + at_ms };
    Evidence { at, exit: None, claim, runner, heartbeat: None }
}

fn verdict(cause: Cause) -> Verdict {
    Verdict::unmeasured(cause, 77)
}

fn lost_at(ms: u64) -> Standing {
    Standing::Ended(Verdict::unmeasured(Cause::Lost, 1_000_000 + ms))
}

#[test]
fn exit_record_beats_a_living_runner() {
    let mut supervisor = Supervisor::new(Patience::LOCAL);
    let record = Some(verdict(Cause::Exit(3)));
    let evidence = Evidence { exit: record, ..look(0, Claim::Owned, RunnerState::Alive) };
    assert_eq!(supervisor.observe(&evidence), Standing::Ended(verdict(Cause::Exit(3))));
}

#[test]
fn dead_local_runner_is_lost_at_once() {
    let mut supervisor = Supervisor::new(Patience::LOCAL);
    assert_eq!(supervisor.observe(&look(5, Claim::Owned, RunnerState::Dead)), lost_at(5));
}

#[test]
fn record_on_a_network_file_system_is_waited_for() {
    let mut supervisor = Supervisor::new(Patience::NETWORK);
    assert_eq!(supervisor.observe(&look(0, Claim::Owned, RunnerState::Dead)), Standing::Running);
    assert_eq!(supervisor.observe(&look(269_999, Claim::Owned, RunnerState::Dead)), Standing::Running);
    let mut late = supervisor.clone();
    assert_eq!(supervisor.observe(&look(270_000, Claim::Owned, RunnerState::Dead)), lost_at(270_000));
    let record = Some(verdict(Cause::Exit(0)));
    let evidence = Evidence { exit: record, ..look(270_000, Claim::Owned, RunnerState::Dead) };
    assert_eq!(late.observe(&evidence), Standing::Ended(verdict(Cause::Exit(0))));
}

#[test]
fn claim_without_owner_is_given_up() {
    let mut supervisor = Supervisor::new(Patience::LOCAL);
    assert_eq!(supervisor.observe(&look(0, Claim::None, RunnerState::Unknown)), Standing::NotStarted);
    assert_eq!(supervisor.observe(&look(10, Claim::Unowned, RunnerState::Unknown)), Standing::Running);
    assert_eq!(supervisor.observe(&look(1_009, Claim::Unowned, RunnerState::Unknown)), Standing::Running);
    assert_eq!(supervisor.observe(&look(1_010, Claim::Unowned, RunnerState::Unknown)), lost_at(1_010));
}

#[test]
fn owner_that_appears_late_restarts_the_patience() {
    let mut supervisor = Supervisor::new(Patience::LOCAL);
    assert_eq!(supervisor.observe(&look(0, Claim::Unowned, RunnerState::Unknown)), Standing::Running);
    assert_eq!(supervisor.observe(&look(999, Claim::Owned, RunnerState::Unknown)), Standing::Running);
    assert_eq!(supervisor.observe(&look(90_998, Claim::Owned, RunnerState::Unknown)), Standing::Running);
    assert_eq!(supervisor.observe(&look(90_999, Claim::Owned, RunnerState::Unknown)), lost_at(90_999));
}

#[test]
fn only_a_moving_heart_proves_life_out_of_sight() {
    let mut supervisor = Supervisor::new(Patience::LOCAL);
    let beat =
        |at, count| Evidence { heartbeat: Some(count), ..look(at, Claim::Owned, RunnerState::Unknown) };
    assert_eq!(supervisor.observe(&beat(0, 500)), Standing::Running);
    assert_eq!(supervisor.observe(&beat(80_000, 501)), Standing::Running);
    assert_eq!(supervisor.observe(&beat(169_999, 501)), Standing::Running);
    assert_eq!(supervisor.observe(&beat(170_000, 501)), lost_at(170_000));
}

fn claims() -> impl Strategy<Value = Claim> {
    prop_oneof![Just(Claim::None), Just(Claim::Unowned), Just(Claim::Owned)]
}

fn states() -> impl Strategy<Value = RunnerState> {
    prop_oneof![Just(RunnerState::Alive), Just(RunnerState::Dead), Just(RunnerState::Unknown)]
}

/// Any history: also contradictory ones, and clocks that stand still.
fn history() -> impl Strategy<Value = Vec<Evidence>> {
    let exit = prop::option::weighted(0.1, (0..3i32).prop_map(|code| verdict(Cause::Exit(code))));
    let step = (0..60_000u64, exit, claims(), states(), prop::option::of(0..3u64));
    prop::collection::vec(step, 1..40).prop_map(|steps| {
        let mut now = 0;
        let mut next = |(pause, exit, claim, runner, heartbeat)| {
            now += pause;
            Evidence { exit, heartbeat, ..look(now, claim, runner) }
        };
        steps.into_iter().map(&mut next).collect()
    })
}

proptest! {
    #[test]
    fn standing_only_moves_forward(history in history()) {
        let mut supervisor = Supervisor::new(Patience::LOCAL);
        let mut before = Standing::NotStarted;
        for evidence in history {
            let standing = supervisor.observe(&evidence);
            match &before {
                Standing::NotStarted => {}
                Standing::Running => prop_assert_ne!(&standing, &Standing::NotStarted),
                Standing::Ended(_) => prop_assert_eq!(&standing, &before),
            }
            before = standing;
        }
    }

    #[test]
    fn end_comes_from_a_record_or_is_a_loss(history in history()) {
        let mut supervisor = Supervisor::new(Patience::LOCAL);
        for evidence in history {
            if let Standing::Ended(verdict) = supervisor.observe(&evidence) {
                let lost = verdict.cause == Cause::Lost;
                prop_assert!(evidence.exit == Some(verdict) || (lost && evidence.exit.is_none()));
                break;
            }
            prop_assert_eq!(evidence.exit, None);
        }
    }

    #[test]
    fn living_runner_is_never_lost(history in history(), patience in 0..100_000u64) {
        let patience = Patience { record_ms: patience, claim_ms: patience, heartbeat_ms: patience };
        let mut supervisor = Supervisor::new(patience);
        for evidence in history {
            let evidence = Evidence { exit: None, runner: RunnerState::Alive, ..evidence };
            prop_assert!(!matches!(supervisor.observe(&evidence), Standing::Ended(_)));
        }
    }

    #[test]
    fn silent_attempt_is_lost_within_its_patience(history in history(), runner in states()) {
        prop_assume!(runner != RunnerState::Alive);
        let mut supervisor = Supervisor::new(Patience::LOCAL);
        let mut now = 0;
        for evidence in &history {
            now = evidence.at.monotonic_ms;
            let _ = supervisor.observe(evidence);
        }
        let _ = supervisor.observe(&look(now, Claim::Owned, runner));
        let end = supervisor.observe(&look(now + 90_000, Claim::Owned, runner));
        prop_assert!(matches!(end, Standing::Ended(_)));
    }
}
