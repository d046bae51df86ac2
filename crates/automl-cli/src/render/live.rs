//! The frame that is redrawn while a search runs: running trials, progress, incumbent.

use super::paint::Style;
use super::status::{self, Page};
use super::table::cut;
use super::time;
use crate::facts;
use automl_core::Study;

/// Columns of the progress bar.
const BAR: u64 = 24;
/// Lines of a frame beside the running trials: headings, what is hidden, progress, incumbent.
const OTHER_LINES: usize = 4;

/// Returns the lines of a frame, at most `height` of them (and never less than one running trial).
pub(crate) fn frame(study: &Study, slots: u32, page: Page, height: usize) -> Vec<String> {
    let mut lines = status::running_trials(study, page);
    let rows = height.saturating_sub(OTHER_LINES).max(1);
    let hidden = lines.len().saturating_sub(rows + 1);
    if hidden > 0 {
        lines.truncate(rows + 1);
        lines.push(format!("… and {hidden} more"));
    }
    lines.push(progress(study, slots, page));
    let best = format!("best {}", status::best(study));
    lines.push(page.width.map_or_else(|| best.clone(), |width| cut(&best, width)));
    lines
}

fn progress(study: &Study, slots: u32, page: Page) -> String {
    let (done, budget) = (facts::settled(study), study.settings.trials.max(1));
    let full = (BAR * done.min(budget) / budget) as usize;
    let bar = format!("{}{}", "━".repeat(full), "─".repeat(BAR as usize - full));
    let elapsed = time::duration(study.worked_ms(page.now));
    let eta = facts::eta_ms(study, slots, page.now);
    let eta = eta.map_or_else(String::new, |eta| format!(", about {} left", time::duration(eta)));
    let text = format!(" {done}/{budget} trials, {elapsed}{eta}");
    let room = page.width.map_or(usize::MAX, |width| width.saturating_sub(BAR as usize));
    page.paint.paint(Style::Good, &bar) + &cut(&text, room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::render::paint::Paint;

    #[test]
    fn frame_shows_trials_progress_and_incumbent() {
        let study = fixture::study();
        let page = Page { width: Some(100), paint: Paint::new(false), now: study.updated_at };
        insta::assert_snapshot!(frame(&study, 2, page, 24).join("\n"), @r"
        trial  epoch  loss  curve  time  params
            4    2/3   0.4  █▁     4.0s  act=relu lr=1e-5
        ━━━━━━━━━━━━──────────── 3/6 trials, 32s, about 4.0s left
        best trial 2: loss 0.25  act=gelu lr=0.0123457
        ");
    }

    #[test]
    fn frames_fit_the_terminal() {
        let study = fixture::study();
        for width in [30, 50, 80] {
            let page = Page { width: Some(width), paint: Paint::new(false), now: study.updated_at };
            for line in frame(&study, 2, page, 24) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}
