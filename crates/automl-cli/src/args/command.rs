//! The command line as a whole: what its derived definition cannot say.

use super::Cli;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, Command, CommandFactory, Error};
use std::ffi::OsString;

/// How values are called that are numbers or have a number in front.
const NUMBERS: [&str; 6] = ["N", "N|auto", "DURATION", "SIZE", "SIZE|none", "LIST"];

/// Reads the command line and the environment.
///
/// # Errors
/// What is wrong with them, naming the flag or the variable.
pub(crate) fn matches(words: impl IntoIterator<Item = OsString>) -> Result<ArgMatches, Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    command().try_get_matches_from(&words).map_err(|error| name_variable(error, &words))
}

/// Returns the command line's definition.
pub(crate) fn command() -> Command {
    Cli::command().mut_args(of_argument).mut_subcommands(|command| command.mut_args(of_argument))
}

fn of_argument(arg: Arg) -> Arg {
    // `--seed -1` is to be refused for what is wrong with it, not taken for a flag `-1`.
    let is_number =
        arg.get_value_names().is_some_and(|names| names.iter().any(|name| NUMBERS.contains(&name.as_str())));
    let arg = if is_number { arg.allow_hyphen_values(true) } else { arg };
    let is_set_to_nothing = |name| std::env::var_os(name).is_some_and(|value| value.is_empty());
    if arg.get_env().is_some_and(is_set_to_nothing) { arg.env(Resettable::Reset) } else { arg }
}

/// Makes an error about a value name the variable that the value comes from, where no flag gives it.
fn name_variable(mut error: Error, words: &[OsString]) -> Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    let long = flag.split([' ', '=']).next().unwrap_or_default();
    let is_typed = |word: &OsString| {
        let word = word.to_string_lossy();
        word == long || word.strip_prefix(long).is_some_and(|rest| rest.starts_with('='))
    };
    if words.iter().take_while(|word| *word != "--").any(is_typed) {
        return error;
    }
    let command = command();
    let mut all = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
    let variable = all
        .find(|arg| {
            arg.get_long().is_some_and(|name| long.strip_prefix("--") == Some(name))
                && arg.get_env().is_some()
        })
        .and_then(Arg::get_env)
        .map(|name| name.to_string_lossy().into_owned());
    if let Some(variable) = variable {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        matches(line.split_whitespace().map(OsString::from)).unwrap_err().to_string()
    }

    #[test]
    fn definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn negative_numbers_are_refused_as_values() {
        for option in [
            "--trials -1",
            "--seed -1",
            "--timeout -5s",
            "--parallel -3",
            "--disk -1GiB",
            "--gpus-per-trial -x",
        ] {
            let error = refused(&format!("automl run {option} -- x"));
            assert!(error.starts_with("error: invalid value '-"), "{option}: {error}");
        }
    }
}
