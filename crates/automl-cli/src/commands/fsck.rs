//! `automl fsck`: says whether a study's log is whole, and repairs it on request.

use super::locate;
use crate::args::FsckArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::{Project, study_word};
use crate::render::value::count;
use automl::{Health, Repaired, StudyDir, check, repair};
use automl_store::{CopyState, Defect, LogCopy, Writer};
use serde_json::{Value, json};

/// Checks the log of a study, and repairs it where asked to.
pub(super) fn run(args: &FsckArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.as_deref(), output)?;
    let health = check(&dir)?;
    let wanted = args.repair && (!health.is_sound() || args.from.is_some());
    let repaired = if wanted { Some(repair(&dir, args.from.map(LogCopy::from))?) } else { None };
    if output.json {
        output.object(&object(&dir, &health, repaired.as_ref()))?;
    } else {
        let lines = describe(&health).into_iter().chain(repaired.iter().flat_map(describe_repair));
        lines.into_iter().try_for_each(|line| output.data(&line))?;
    }
    if health.is_sound() || repaired.is_some() {
        return Ok(Exit::Done);
    }
    output.say(&advice(&dir, &health));
    Ok(Exit::Damaged)
}

fn describe(health: &Health) -> Vec<String> {
    let log = &health.log;
    let absent = if log.defects.is_empty() { "none, as was asked for" } else { "missing" };
    let mut lines = [(LogCopy::Database, &log.database), (LogCopy::Journal, &log.journal)]
        .map(|(copy, state)| copy_line(copy, state, absent))
        .to_vec();
    lines.extend(log.writers.last().map(|(writer, _)| {
        let epochs = count(log.writers.len() as u64, "opening");
        format!("written in    {epochs}, the last by process {} on {}", writer.pid, writer.host)
    }));
    lines.extend(log.defects.iter().map(|defect| format!("damaged       {}", words(defect))));
    lines.extend(health.impossible.iter().map(|(_, why)| format!("impossible    {why}")));
    lines.extend(log.remarks.iter().map(|remark| format!("harmless      {remark}")));
    lines.push(match health.is_sound() {
        true if !log.journal.present => format!("sound         {}", count(health.usable(), "event")),
        true => format!("sound         {}, the same in both copies", count(health.usable(), "event")),
        false => format!("usable        {}", count(health.usable(), "event")),
    });
    lines
}

fn copy_line(copy: LogCopy, state: &CopyState, absent: &str) -> String {
    let content = match state.present {
        true => format!("{}, {} bytes", count(state.records, "event"), state.bytes),
        false => absent.into(),
    };
    format!("{:<13} {content}", copy.name())
}

/// Writes a defect as place, range and reason.
fn words(defect: &Defect) -> String {
    let place = defect.copy.map_or("the log", LogCopy::name);
    let mut text = match defect.offset {
        Some(offset) => format!("{place}, byte {offset}"),
        None => place.to_string(),
    };
    text.push_str(&format!(": {}", defect.what));
    match defect.records {
        Some((first, last)) if first == last => text.push_str(&format!(" (event {first})")),
        Some((first, last)) => text.push_str(&format!(" (events {first} to {last})")),
        None => (),
    }
    text
}

fn describe_repair(repaired: &Repaired) -> Vec<String> {
    let mut lines: Vec<String> = repaired.notes.iter().map(|note| format!("repaired      {note}")).collect();
    if repaired.dropped > 0 {
        let dropped = count(repaired.dropped, "event");
        lines.push(format!("lost          {dropped}; the files kept aside are all there is of them"));
    }
    lines.push(format!("now           {}, the same in both copies", count(repaired.events, "event")));
    lines
}

fn advice(dir: &StudyDir, health: &Health) -> String {
    let study = study_word(dir);
    if health.log.contradictory {
        let command = format!("automl fsck {study} --repair --from");
        return format!(
            "`{command} store` or `{command} journal` keeps the right copy, and the other one aside"
        );
    }
    if health.usable() == 0 {
        return "nothing of it can be used; restore the folder from a backup".into();
    }
    let loss = match health.log.lost + health.log.records.len() as u64 - health.usable() {
        0 => "loses no event".to_string(),
        lost => format!("gives {} up", count(lost, "event")),
    };
    format!("`automl fsck {study} --repair` mends it, {loss}, and keeps the damaged files aside")
}

fn object(dir: &StudyDir, health: &Health, repaired: Option<&Repaired>) -> Value {
    let log = &health.log;
    let copy =
        |state: &CopyState| json!({"present": state.present, "events": state.records, "bytes": state.bytes});
    let defect = |defect: &Defect| {
        json!({
            "copy": defect.copy.map(LogCopy::name),
            "first_event": defect.records.map(|(first, _)| first),
            "last_event": defect.records.map(|(_, last)| last),
            "offset": defect.offset,
            "what": defect.what,
        })
    };
    let writer = |(writer, from): &(Writer, u64)| json!({"epoch": writer.epoch, "host": writer.host, "pid": writer.pid, "from_event": from});
    let impossible = health.impossible.as_ref().map(|(seq, why)| json!({"event": seq, "what": why}));
    let repair = repaired.map(|r| json!({"events": r.events, "dropped": r.dropped, "notes": r.notes}));
    json!({
        "study": dir.name(),
        "sound": health.is_sound(),
        "usable": health.usable(),
        "lost": log.lost,
        "store": copy(&log.database),
        "journal": copy(&log.journal),
        "defects": log.defects.iter().map(defect).collect::<Vec<_>>(),
        "impossible": impossible,
        "remarks": log.remarks,
        "contradictory": log.contradictory,
        "writers": log.writers.iter().map(writer).collect::<Vec<_>>(),
        "repair": repair,
    })
}
