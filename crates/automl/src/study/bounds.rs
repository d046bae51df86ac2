//! New bounds for a study that has begun.

use automl_config::{Problem, TrialRecipe, rebound};
use automl_core::{Event, Study};

/// What asking for bounds comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct NewBounds {
    /// The event that changes them; `None` where they are as asked for already.
    pub event: Option<Event>,
    /// Decisions taken for the user, to be shown.
    pub notes: Vec<String>,
}

/// Returns what it takes to bound parameters of a study as asked for, `name=low..high[:log]` or `name=a|b` each. A
/// pure function: whether the study is being worked on does not matter.
///
/// # Errors
/// Why that cannot be, in words, one line each.
pub fn new_bounds(study: &Study, asked: &[String]) -> Result<NewBounds, String> {
    let settings = &study.settings;
    let recipe: TrialRecipe = serde_json::from_value(settings.recipe.clone())
        .map_err(|error| format!("the study's recipe cannot be read: {error}"))?;
    let first = study.rebound.as_ref().map_or(&settings.space, |rebound| &rebound.first_space);
    let found = rebound(&recipe, first, &settings.space, asked, settings.fidelity.max.0);
    let found =
        found.map_err(|problems| problems.0.iter().map(Problem::told).collect::<Vec<_>>().join("\n"))?;
    let event = (found.space != settings.space)
        .then(|| Event::BoundsChanged { space: Box::new(found.space), asked: asked.to_vec() });
    Ok(NewBounds { event, notes: found.notes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_config::{CommandRequest, resolve_command};
    use automl_core::{Algorithm, Record};
    use automl_testkit::settings;

    fn study(params: &[&str]) -> Study {
        let mut request = CommandRequest::new("loss:min", vec!["true".into()]);
        request.params = params.iter().map(|text| (*text).to_string()).collect();
        let resolved = resolve_command(&request).unwrap();
        let mut settings = settings(Algorithm::Random);
        settings.space = resolved.space;
        settings.recipe = serde_json::to_value(&resolved.trial).unwrap();
        automl_testkit::Log::new(settings).study().unwrap()
    }

    fn apply(study: &mut Study, text: &str) -> Result<bool, String> {
        let event = new_bounds(study, &[text.to_string()])?.event;
        let changed = event.is_some();
        event.into_iter().for_each(|event| study.apply(&Record { at: 1, event }).unwrap());
        Ok(changed)
    }

    #[test]
    fn asking_twice_changes_nothing_more() {
        let mut study = study(&["x=0.0..1.0"]);
        assert_eq!(apply(&mut study, "x=0.5..1"), Ok(true));
        assert_eq!(apply(&mut study, "x=0.5..1"), Ok(false));
        assert!(apply(&mut study, "y=1").unwrap_err().contains("not a parameter of the search"));
    }

    #[test]
    fn what_was_left_out_can_come_back() {
        let mut study = study(&["model=a|b|c", "x=1e-4..1e-1:log"]);
        let begun = study.settings.space.clone();
        for text in ["model=b", "x=1e-3..1e-2", "model=a|b|c", "x=1e-4..1e-1"] {
            assert_eq!(apply(&mut study, text), Ok(true), "{text}");
        }
        assert_eq!(study.settings.space, begun);
    }
}
