//! Takes secrets out of commands and variables before these are recorded.
//!
//! In their place stands a name; the process that was given a secret remembers it, a later one reads it from the
//! environment ([`variable`]).

use crate::recipe::Template;
use crate::spec::{Secrets, is_secret, variable};

/// Takes literal values of arguments that sound like secrets out of the command, which is recorded in clear:
/// `--api-key=VALUE`, `--api-key VALUE`, `API_KEY=VALUE`.
pub(super) fn of_arguments(argv: &mut [Template], notes: &mut Vec<String>) -> Secrets {
    let mut secrets = Secrets::default();
    let literals: Vec<Option<String>> = argv.iter().map(|part| part.literal().map(String::from)).collect();
    for i in 1..argv.len() {
        let Some(text) = &literals[i] else { continue };
        let flag = |text: &str| text.trim_start_matches('-').replace('-', "_");
        let (name, from) = match text.split_once('=') {
            Some((name, _)) => (flag(name), name.len() + 1),
            None => match &literals[i - 1] {
                Some(before) if before.starts_with('-') && !before.contains('=') => (flag(before), 0),
                _ => continue,
            },
        };
        // A number is a setting, as `--pad-token 0`; another flag is no value.
        let is_value = text[from..].parse::<f64>().is_err() && (from > 0 || !text.starts_with('-'));
        if !is_secret(&name) || !is_value {
            continue;
        }
        if let Some((template, secret)) = argv[i].with_secret(from, &name) {
            argv[i] = template;
            notes.push(format!(
                "`{name}` sounds like a secret: its value is not recorded, and `automl resume` reads it from {}; in a \
                 variable of the environment other users of the machine do not see it",
                variable(&name)
            ));
            secrets.insert(&name, secret.into());
        }
    }
    take_logins(argv, &mut secrets, notes);
    secrets
}

/// Takes the secrets of URLs out of the command: `s3://…@bucket`.
pub(super) fn take_logins(argv: &mut [Template], secrets: &mut Secrets, notes: &mut Vec<String>) {
    let mut names = numbered("url_login");
    for argument in argv.iter_mut() {
        let (without, found) = argument.without_logins(&mut names);
        if found.is_empty() {
            continue;
        }
        *argument = without;
        for (name, login) in found {
            notes.push(format!(
                "a URL among the arguments holds a login: it is not recorded, and `automl resume` reads it from {}",
                variable(&name)
            ));
            secrets.insert(&name, login.into());
        }
    }
}

/// Returns a name, and then the same with numbers from 2 on.
fn numbered(name: &str) -> impl FnMut() -> String {
    let mut count = 0;
    move || {
        count += 1;
        if count == 1 { name.to_string() } else { format!("{name}_{count}") }
    }
}

/// Takes values of variables that sound like secrets, and logins of URLs in others, out of an environment.
pub(super) fn of_environment(
    environment: &mut [(String, Template)],
    secrets: &mut Secrets,
    notes: &mut Vec<String>,
) {
    for (variable_name, template) in environment {
        let (without, found) = match is_secret(variable_name) {
            true => match template.with_secret(0, variable_name) {
                Some((without, secret)) => (without, vec![(variable_name.clone(), secret)]),
                None => continue,
            },
            false => template.without_logins(numbered(variable_name)),
        };
        if found.is_empty() {
            continue;
        }
        *template = without;
        for (name, secret) in found {
            notes.push(format!(
                "the variable {variable_name} holds a secret: it is not recorded, and `automl resume` reads it from {}",
                variable(&name)
            ));
            secrets.insert(&name, secret.into());
        }
    }
}
