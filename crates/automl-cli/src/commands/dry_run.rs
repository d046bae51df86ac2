//! What would be run, for `--dry-run`: command, environment, and a spec that says where each value is
//! from.

use crate::exit::Failure;
use crate::output::Output;
use crate::render::secret::{is_secret, masked};
use crate::render::value::shell_word;
use automl_config::{AttemptFiles, Origins, TrialRecipe, annotated_yaml, hide_logins};
use serde_json::{Map, Value, json};

/// Everything that there is to show.
pub(super) struct Shown<'a> {
    pub(super) files: &'a AttemptFiles,
    /// Knows the secrets among the arguments, where there may be some.
    pub(super) recipe: Option<&'a TrialRecipe>,
    pub(super) explained: Option<&'a (Value, Origins)>,
    pub(super) notes: &'a [String],
}

impl Shown<'_> {
    /// Adds the fields that every dry run has to an object.
    pub(super) fn add_to(&self, object: &mut Map<String, Value>) {
        let spec = self.files.spec.as_ref().map(|(name, text)| {
            let origins = self.explained.map(|(spec, origins)| {
                let of_keys = origins.of_spec(spec).into_iter();
                of_keys.map(|(key, origin)| (key, Value::from(origin))).collect::<Map<_, _>>()
            });
            let masked: String = text.lines().map(|line| masked(line, ':') + "\n").collect();
            json!({"file": name, "text": masked, "origins": origins})
        });
        object.insert("spec".into(), spec.into());
        object.insert("command".into(), self.argv().into());
        let env = self.env().into_iter().map(|(name, value)| (name.clone(), value.into()));
        object.insert("env".into(), env.collect::<Map<_, _>>().into());
        object.insert("notes".into(), self.notes.into());
    }

    /// Says the notes and prints the rest.
    pub(super) fn print(&self, heading: &[String], output: Output) -> Result<(), Failure> {
        self.notes.iter().for_each(|note| output.say(&format!("note: {note}")));
        heading.iter().try_for_each(|line| output.data(line))?;
        let words: Vec<String> = self.argv().iter().map(|word| shell_word(word)).collect();
        output.data(&format!("command\n  {}", words.join(" ")))?;
        output.data("environment")?;
        self.env()
            .iter()
            .try_for_each(|(name, value)| output.data(&format!("  {name}={}", shell_word(value))))?;
        let Some((name, _)) = &self.files.spec else { return Ok(()) };
        output.data(name)?;
        let lines = self.explained.map(|(spec, origins)| annotated_yaml(spec, origins)).unwrap_or_default();
        lines.iter().try_for_each(|line| output.data(&format!("  {line}")))
    }

    fn argv(&self) -> Vec<String> {
        let hidden = |word: &String| self.recipe.map_or_else(|| word.clone(), |r| r.hide_secrets(word));
        self.files.argv.iter().map(hidden).collect()
    }

    fn env(&self) -> Vec<(&String, String)> {
        let shown = |name: &str, value: &str| if is_secret(name) { "…".into() } else { hide_logins(value) };
        self.files.env.iter().map(|(name, value)| (name, shown(name, value))).collect()
    }
}
