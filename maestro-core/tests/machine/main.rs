//! The machine under random plans and random observations: order, effects at most once in an
//! attempt, an end or a reason why not, nothing while suspended, equal outputs for equal inputs.

mod cluster;
mod examples;
mod plans;
mod stories;

use std::collections::BTreeMap;

use maestro_core::execution::State;
use proptest::prelude::proptest;
use proptest::prelude::{Strategy as Strategies, prop};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::plans::{happening, plan};
use crate::stories::play;

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 512, ..Default::default() })]

    #[test]
    fn the_machine_keeps_its_word(
        plan in plan(),
        story in prop::collection::vec(happening(), 1..120),
    ) {
        play(&plan, story)?;
    }
}

/// Every end is come to, so that what is said of each of them is said of something.
#[test]
fn stories_come_to_every_end() {
    let mut runner = TestRunner::deterministic();
    let stories = (plan(), prop::collection::vec(happening(), 1..120));
    let mut ends: BTreeMap<State, u32> = BTreeMap::new();
    for _ in 0..200 {
        let (plan, story) = stories.new_tree(&mut runner).expect("a story").current();
        let end = play(&plan, story).unwrap_or_else(|error| panic!("{error}"));
        *ends.entry(end).or_default() += 1;
    }
    for state in [State::Complete, State::Failed, State::Cancelled, State::Superseded] {
        assert!(ends.get(&state).is_some_and(|count| *count >= 5), "{state:?}: {ends:?}");
    }
}
