//! The table: medians of every load on every server, ratios to the best peer that made no mistake, faults in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::loads::{Load, Outcome};
use crate::server::Kind;
use crate::stats::median;

/// All outcomes so far.
pub(crate) struct Report {
    runs: usize,
    scale: f64,
    absent: Vec<&'static str>,
    outcomes: BTreeMap<(Load, Kind), Vec<Outcome>>,
}

#[derive(Serialize)]
struct Row<'a> {
    load: &'static str,
    figure: &'static str,
    server: &'static str,
    median: Option<f64>,
    runs: &'a [Outcome],
}

impl Report {
    pub(crate) fn new(runs: usize, scale: f64, absent: Vec<&'static str>) -> Self {
        Self { runs, scale, absent, outcomes: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, load: Load, kind: Kind, outcome: Outcome) {
        self.outcomes.entry((load, kind)).or_default().push(outcome);
    }

    /// Every figure of every run.
    pub(crate) fn json(&self) -> Result<String> {
        let rows = self.outcomes.iter().map(|(&(load, kind), runs)| Row {
            load: load.name(),
            figure: load.figure(),
            server: kind.name(),
            median: self.median(load, kind),
            runs,
        });
        let rows: Vec<_> = rows.collect();
        let report = serde_json::json!({ "runs": self.runs, "scale": self.scale, "absent": self.absent, "rows": rows });
        Ok(serde_json::to_string_pretty(&report)?)
    }

    fn median(&self, load: Load, kind: Kind) -> Option<f64> {
        median(&mut self.outcomes.get(&(load, kind))?.iter().filter_map(|run| run.figure).collect::<Vec<_>>())
    }

    fn faults(&self, load: Load, kind: Kind) -> usize {
        self.outcomes.get(&(load, kind)).map_or(0, |runs| runs.iter().filter(|run| run.fault.is_some()).count())
    }

    /// The lowest median among peers that made no mistake in any run.
    fn best_peer(&self, load: Load, kinds: &BTreeSet<Kind>) -> Option<f64> {
        let correct = kinds.iter().filter(|kind| kind.is_peer() && self.faults(load, **kind) == 0);
        correct.filter_map(|kind| self.median(load, *kind)).min_by(f64::total_cmp)
    }

    fn cell(&self, load: Load, kind: Kind) -> String {
        let Some(runs) = self.outcomes.get(&(load, kind)) else { return String::new() };
        let figure = self.median(load, kind).map_or_else(|| "-".to_owned(), show);
        match self.faults(load, kind) {
            0 => figure,
            faults => format!("{figure} FAULT {faults}/{}", runs.len()),
        }
    }

    fn write_details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (&(load, kind), runs) in &self.outcomes {
            let names: BTreeSet<_> = runs.iter().flat_map(|run| run.more.keys()).collect();
            let more: Vec<_> = names
                .into_iter()
                .filter_map(|name| {
                    let mut values: Vec<_> = runs.iter().filter_map(|run| run.more.get(name).copied()).collect();
                    Some(format!("{name} {}", show(median(&mut values)?)))
                })
                .collect();
            let spread: Vec<_> = runs.iter().map(|run| run.figure.map_or_else(|| "-".to_owned(), show)).collect();
            writeln!(f, "| {} | {} | {} | {} |", load.name(), kind.name(), spread.join(" / "), more.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: BTreeSet<Kind> = self.outcomes.keys().map(|(_, kind)| *kind).collect();
        let loads: BTreeSet<Load> = self.outcomes.keys().map(|(load, _)| *load).collect();
        writeln!(f, "Medians of {} runs at scale {}; less is better.\n", self.runs, self.scale)?;
        write!(f, "| load | figure |")?;
        kinds.iter().try_for_each(|kind| write!(f, " {} |", kind.name()))?;
        writeln!(f, " orrery / best correct peer | orrery / floor |")?;
        writeln!(f, "|---|---|{}---|---|", "---|".repeat(kinds.len()))?;
        for &load in &loads {
            write!(f, "| {} | {} |", load.name(), load.figure())?;
            kinds.iter().try_for_each(|kind| write!(f, " {} |", self.cell(load, *kind)))?;
            let ours = self.median(load, Kind::Orrery);
            let ratio = |other: Option<f64>| {
                ours.zip(other)
                    .filter(|(_, other)| *other > 0.0)
                    .map_or("-".to_owned(), |(a, b)| format!("{:.2}", a / b))
            };
            writeln!(f, " {} | {} |", ratio(self.best_peer(load, &kinds)), ratio(self.median(load, Kind::Floor)))?;
        }
        writeln!(f, "\n| load | server | each run | more (medians) |\n|---|---|---|---|")?;
        self.write_details(f)?;
        let mut faults: BTreeSet<(Load, Kind, &str)> = BTreeSet::new();
        for (&(load, kind), runs) in &self.outcomes {
            faults.extend(runs.iter().filter_map(|run| Some((load, kind, run.fault.as_deref()?))));
        }
        if !faults.is_empty() {
            writeln!(f, "\nFaults:")?;
        }
        for (load, kind, fault) in faults {
            writeln!(f, "- {} on {}: {fault}", load.name(), kind.name())?;
        }
        if !self.absent.is_empty() {
            writeln!(f, "\nNot installed, so not measured: {}.", self.absent.join(", "))?;
        }
        Ok(())
    }
}

/// Three digits that matter.
fn show(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_with_a_fault_is_shown_but_never_the_best() {
        let mut report = Report::new(2, 1.0, vec!["pycrdt"]);
        for _ in 0..2 {
            report.add(Load::FanOut, Kind::Orrery, Outcome::of(10.0));
            report.add(Load::FanOut, Kind::YSweet, Outcome::of(5.0).fault(Some("loses data".to_owned())));
            report.add(Load::FanOut, Kind::Hocuspocus, Outcome::of(20.0));
        }
        let shown = report.to_string();
        assert!(shown.contains("| 10.0 | 20.0 | 5.00 FAULT 2/2 | 0.50 | - |"), "{shown}");
        assert!(shown.contains("- fan-out on y-sweet: loses data"), "{shown}");
        assert!(shown.contains("Not installed, so not measured: pycrdt."), "{shown}");
    }
}
