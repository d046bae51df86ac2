//! The comparison's own arguments.

use crate::asker::{CURVE_PEERS, OBJECTIVE_PEERS, OWN, PEERS, PeerKind};
use crate::race::Durations;
use crate::subject::{Kind, Subject};
use crate::training::ALGORITHMS;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Compares samplers on synthetic objectives with known optima.

cargo bench -p automl --bench quality -- [OPTIONS]

  --samplers LIST     names, `own`, `peers` or `all`                  [default: own]
  --families LIST     families of problems, see --list                [default: all of them]
  --problems LIST     only problems whose name contains one of these
  --seeds N           instances of each problem                       [default: 3]
  --first-seed N      number of the first instance                    [default: 1]
  --evaluations N     trials of each run                              [default: 50]
  --workers LIST      simulated workers                               [default: 1]
  --durations KIND    constant or random                              [default: constant]
  --baseline NAME     sampler that the others are paired with         [default: the first]
  --reach NAME        also print what the others need to reach this sampler's last regret
  --curves            search learning curves instead: samplers are algorithms, families those of curves, and
                      --evaluations counts full trainings, to be spent in whatever pieces
  --objectives        search problems of two and three objectives instead; the figure is the missing volume
  --by-problem        also print a table of single problems
  --output FILE       write all runs as JSON
  --compare FILE      add the runs of an earlier --output, named NAME@FILE; may be repeated
  --threads N         runs at a time                                  [default: 1]
  --remembered        start no peer: only instances that every chosen peer has met before are compared
  --environments DIR  what `make bench-peers` made                    [default: benches/quality/.venv]
  --list              print samplers and problems, run nothing
";

/// What shall be run and shown.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) samplers: Vec<String>,
    /// All where empty.
    pub(crate) families: Vec<String>,
    pub(crate) problems: Vec<String>,
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
    pub(crate) evaluations: u64,
    pub(crate) workers: Vec<usize>,
    pub(crate) durations: Durations,
    pub(crate) baseline: Option<String>,
    pub(crate) reach: Option<String>,
    pub(crate) by_problem: bool,
    pub(crate) kind: Kind,
    /// Whether peers' runs are taken from memory alone.
    pub(crate) remembered: bool,
    pub(crate) output: Option<PathBuf>,
    pub(crate) compare: Vec<PathBuf>,
    pub(crate) threads: usize,
    pub(crate) environments: Option<PathBuf>,
}

/// What the user wants.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Help,
    List,
    Run(Box<Arguments>),
}

impl Default for Arguments {
    fn default() -> Self {
        Arguments {
            samplers: vec!["own".into()],
            families: Vec::new(),
            problems: Vec::new(),
            seeds: 3,
            first_seed: 1,
            evaluations: 50,
            workers: vec![1],
            durations: Durations::Constant,
            baseline: None,
            reach: None,
            by_problem: false,
            kind: Kind::Problems,
            remembered: false,
            output: None,
            compare: Vec::new(),
            threads: 1,
            environments: None,
        }
    }
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Request, String> {
        let mut arguments = Arguments::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let switch = match word.as_str() {
                "--help" | "-h" => return Ok(Request::Help),
                "--list" => return Ok(Request::List),
                "--by-problem" => Some(&mut arguments.by_problem),
                "--curves" | "--objectives" => {
                    if arguments.kind != Kind::Problems {
                        return Err(format!("{word}: one kind of subjects at a time"));
                    }
                    arguments.kind = if word == "--curves" { Kind::Curves } else { Kind::Objectives };
                    continue;
                }
                "--remembered" => Some(&mut arguments.remembered),
                flag if !flag.starts_with("--") => {
                    return Err(format!("unexpected `{flag}`; see --help"));
                }
                _ => None,
            };
            if let Some(switch) = switch {
                *switch = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value; see --help"))?;
            arguments.set(&word, &value)?;
        }
        let known_families = families(arguments.kind);
        for family in &arguments.families {
            if !known_families.contains(&family.as_str()) {
                return Err(format!("unknown family `{family}`; known are {}", known_families.join(", ")));
            }
        }
        let own = if arguments.kind == Kind::Curves { algorithms() } else { own() };
        arguments.samplers = resolve(&arguments.samplers, &own, &names(peers(arguments.kind)))?;
        if arguments.subjects().is_empty() {
            return Err("no problem has such a name in these families; see --list".into());
        }
        Ok(Request::Run(Box::new(arguments)))
    }

    fn set(&mut self, flag: &str, value: &str) -> Result<(), String> {
        match flag {
            "--samplers" => self.samplers = list(value).map(String::from).collect(),
            "--families" => self.families = list(value).map(String::from).collect(),
            "--problems" => self.problems = list(value).map(String::from).collect(),
            "--seeds" => self.seeds = count(flag, value)?,
            "--first-seed" => self.first_seed = count(flag, value)?,
            "--evaluations" => self.evaluations = count(flag, value)?,
            "--workers" => {
                self.workers = list(value)
                    .map(|value| count(flag, value).map(|count| count as usize))
                    .collect::<Result<_, _>>()?;
            }
            "--durations" => self.durations = durations(value)?,
            "--baseline" => self.baseline = Some(value.into()),
            "--reach" => self.reach = Some(value.into()),
            "--output" => self.output = Some(from_users_folder(value)),
            "--compare" => self.compare.push(from_users_folder(value)),
            "--threads" => self.threads = count(flag, value)? as usize,
            "--environments" => self.environments = Some(from_users_folder(value)),
            _ => return Err(format!("unknown option {flag}; see --help")),
        }
        Ok(())
    }

    /// Returns the problems or curves chosen.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let of_family =
            |s: &Subject| self.families.is_empty() || self.families.iter().any(|f| f == s.family());
        let named =
            |s: &Subject| self.problems.is_empty() || self.problems.iter().any(|p| s.name().contains(p));
        self.kind.subjects().into_iter().filter(|subject| of_family(subject) && named(subject)).collect()
    }
}

/// Cargo starts a bench in its package's folder; the user means the folder that cargo was started in.
fn from_users_folder(path: &str) -> PathBuf {
    std::env::var_os("PWD").map_or_else(PathBuf::new, PathBuf::from).join(path)
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn own() -> Vec<String> {
    OWN.iter().map(|(name, _)| (*name).into()).collect()
}

fn names(peers: &[PeerKind]) -> Vec<String> {
    peers.iter().map(|peer| peer.name.into()).collect()
}

fn algorithms() -> Vec<String> {
    ALGORITHMS.iter().map(ToString::to_string).collect()
}

/// Families of a kind, in the order of its subjects.
fn families(kind: Kind) -> Vec<&'static str> {
    let mut families: Vec<&str> = Vec::new();
    for subject in kind.subjects() {
        if !families.contains(&subject.family()) {
            families.push(subject.family());
        }
    }
    families
}

/// Those who can search subjects of a kind.
pub(crate) fn peers(kind: Kind) -> &'static [PeerKind] {
    match kind {
        Kind::Problems => &PEERS,
        Kind::Curves => &CURVE_PEERS,
        Kind::Objectives => &OBJECTIVE_PEERS,
    }
}

/// Puts names in place of groups, each once.
fn resolve(wanted: &[String], own: &[String], peers: &[String]) -> Result<Vec<String>, String> {
    let known = [own, peers].concat();
    let mut chosen: Vec<String> = Vec::new();
    for name in wanted {
        let group = match name.as_str() {
            "own" => own.to_vec(),
            "peers" => peers.to_vec(),
            "all" => known.clone(),
            _ if known.contains(name) => vec![name.clone()],
            _ => return Err(format!("unknown sampler `{name}`; known are {}", known.join(", "))),
        };
        chosen.extend(group.into_iter().filter(|name| !chosen.contains(name)).collect::<Vec<_>>());
    }
    if chosen.is_empty() { Err("--samplers names none; see --list".into()) } else { Ok(chosen) }
}

fn durations(name: &str) -> Result<Durations, String> {
    match name {
        "constant" => Ok(Durations::Constant),
        "random" => Ok(Durations::Random),
        _ => Err(format!("--durations is `constant` or `random`, not `{name}`")),
    }
}

fn count(flag: &str, value: &str) -> Result<u64, String> {
    let parsed = value.parse::<u64>().ok().filter(|count| *count > 0);
    parsed.ok_or_else(|| format!("{flag} needs a whole number above 0, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        Arguments::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn lists_and_groups_are_read() {
        let Ok(Request::Run(arguments)) =
            parse("--samplers gp,own --families mixed,noisy --workers 1,4 --seeds 7 --by-problem")
        else {
            panic!("a run");
        };
        assert_eq!(arguments.samplers[0], "gp");
        assert_eq!(arguments.samplers.len(), OWN.len());
        assert_eq!(arguments.families, ["mixed", "noisy"]);
        assert_eq!((arguments.workers, arguments.seeds, arguments.by_problem), (vec![1, 4], 7, true));
    }

    #[test]
    fn files_are_sought_where_the_user_is() {
        let Ok(Request::Run(arguments)) = parse("--compare a.json --output /tmp/b.json") else {
            panic!("a run");
        };
        let folder = PathBuf::from(std::env::var_os("PWD").unwrap_or_default());
        assert_eq!(arguments.compare, [folder.join("a.json")]);
        assert_eq!(arguments.output, Some(PathBuf::from("/tmp/b.json")));
    }

    #[test]
    fn problems_are_chosen_by_part_of_their_name() {
        let Ok(Request::Run(arguments)) = parse("--families numeric --problems bowl,lr") else {
            panic!("a run");
        };
        let names: Vec<_> = arguments.subjects().iter().map(Subject::name).collect();
        assert_eq!(names, ["bowl-5", "bowl-20", "lr-wd-2"]);
    }

    #[test]
    fn curves_have_families_and_samplers_of_their_own() {
        let Ok(Request::Run(arguments)) = parse("--families inverting --curves --samplers random") else {
            panic!("a run");
        };
        assert!(arguments.subjects().iter().all(|subject| subject.family() == "inverting"));
        assert!(parse("--families inverting").unwrap_err().contains("known are numeric"));
        assert!(parse("--curves --samplers gp").unwrap_err().contains("known are race"));
    }

    #[test]
    fn objectives_have_families_and_peers_of_their_own() {
        let Ok(Request::Run(arguments)) = parse("--objectives --families constrained --samplers gp,peers")
        else {
            panic!("a run");
        };
        assert!(arguments.subjects().iter().all(|subject| subject.name().starts_with("cut-")));
        assert_eq!(arguments.samplers[1], "optuna-nsga2");
        assert!(parse("--samplers optuna-nsga2").unwrap_err().contains("unknown sampler"));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, expected) in [
            ("--samplers tpee", "unknown sampler `tpee`"),
            ("--families nummeric", "unknown family `nummeric`"),
            ("--seeds 0", "--seeds needs a whole number above 0"),
            ("--seeds", "--seeds needs a value"),
            ("--sedes 3", "unknown option --sedes"),
            ("gp", "unexpected `gp`"),
            ("--samplers ,", "--samplers names none"),
            ("--problems nothing", "no problem has such a name"),
            ("--curves --objectives", "one kind of subjects at a time"),
            ("--durations long", "`constant` or `random`"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(expected), "{line}: {message}");
        }
    }
}
