//! The result of a back-test, added up case by case. Its size does not grow with their number.

use super::case::{Money, Outcome, RecordedCase, Unknown};
use super::quantiles::Quantiles;
use pylon_core::guest::Fault;
use pylon_core::{JobId, Msat};
use std::collections::BTreeMap;

/// Changes that are listed.
const EXAMPLES_MAX: usize = 10;
/// Rows of a breakdown; later ones are added up as [`OTHERS`].
const ROWS_MAX: usize = 1000;
/// The name of the row for all that have no row of their own.
pub const OTHERS: &str = "others";
const DAY_SECONDS: u64 = 86_400;

/// The upper end of each range of ratios but the last: price now ÷ price then, in permille.
pub const RATIOS: [u64; 11] = [100, 250, 500, 750, 900, 999, 1000, 1100, 1500, 2000, 4000];

/// The result for all cases.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Decisions that were compared.
    pub compared: u64,
    /// Decisions that could not be compared, by reason.
    pub not_replayable: BTreeMap<&'static str, u64>,
    /// Accepted requests.
    pub accepted: Counts,
    /// Refused requests by code: then and now.
    pub refused: BTreeMap<&'static str, (u64, u64)>,
    /// Cases whose money is known.
    pub known: Sum,
    /// Those of them that earned something and would have been refused.
    pub lost: Sum,
    /// Cases whose money is unknown.
    pub unknown: BTreeMap<Unknown, Sum>,
    /// By public key of the customer.
    pub customers: Breakdown,
    /// By model; of a refused request, the candidate's.
    pub models: Breakdown,
    /// By day since 1970.
    pub days: Breakdown,
    /// Cases by price now ÷ price then, where both are accepted. One more than [`RATIOS`].
    pub ratios: [u64; RATIOS.len() + 1],
    /// Cases in which something changed.
    pub changed: u64,
    /// The first of them.
    pub examples: Vec<AnswerChange>,
    /// Of the recorded answers.
    pub fuel_then: Quantiles,
    /// Of the candidate's answers.
    pub fuel_now: Quantiles,
    /// Limits that the candidate exceeded.
    pub faults: BTreeMap<String, u64>,
}

/// Numbers of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Then.
    pub then: u64,
    /// Now.
    pub now: u64,
    /// Both then and now.
    pub both: u64,
}

/// A number of cases and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Number of cases.
    pub cases: u64,
    /// Earned.
    pub then: Msat,
    /// Would have been earned; where that is unknown, the candidate's price.
    pub now: Msat,
}

impl Sum {
    fn add(&mut self, then: Msat, now: Msat) {
        self.cases += 1;
        self.then = self.then.saturating_add(then);
        self.now = self.now.saturating_add(now);
    }
}

/// A case in which something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerChange {
    /// The job or request.
    pub job: JobId,
    /// Its kind.
    pub kind: u16,
    /// The recorded decision.
    pub then: String,
    /// The candidate's decision.
    pub now: String,
}

/// Sums by name, in a limited number of rows.
#[derive(Clone, Debug, Default)]
pub struct Breakdown(BTreeMap<String, BreakdownRow>);

/// The sums of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakdownRow {
    /// Cases whose money is known.
    pub known: Sum,
    /// Cases whose money is unknown.
    pub unknown: Sum,
    /// Accepted then.
    pub accepted_then: u64,
    /// Accepted now.
    pub accepted_now: u64,
}

impl Breakdown {
    fn row(&mut self, name: &str) -> &mut BreakdownRow {
        let name = if self.0.len() < ROWS_MAX || self.0.contains_key(name) { name } else { OTHERS };
        self.0.entry(name.to_owned()).or_default()
    }

    /// The rows by name.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, &BreakdownRow)> {
        self.0.iter().map(|(name, row)| (name.as_str(), row))
    }

    /// The rows by money, known or unknown, largest first.
    pub fn by_money(&self) -> Vec<(&str, &BreakdownRow)> {
        let mut rows: Vec<_> = self.by_name().collect();
        let weight = |row: &BreakdownRow| {
            row.known.then.max(row.known.now).saturating_add(row.unknown.then.max(row.unknown.now))
        };
        rows.sort_by_key(|(_, row)| {
            std::cmp::Reverse((weight(row), row.accepted_then, row.accepted_now))
        });
        rows
    }
}

impl Report {
    /// Whether there was no decision at all.
    pub fn is_empty(&self) -> bool {
        self.compared == 0 && self.not_replayable.is_empty()
    }

    /// Counts a decision that cannot be compared.
    pub fn skip(&mut self, why: &'static str) {
        *self.not_replayable.entry(why).or_default() += 1;
    }

    /// Adds a case.
    pub fn add(&mut self, case: &RecordedCase) {
        self.compared += 1;
        let (then, now) = (case.then.is_accepted(), case.now.is_accepted());
        self.accepted.then += u64::from(then);
        self.accepted.now += u64::from(now);
        self.accepted.both += u64::from(then && now);
        if let Outcome::Refused { code, .. } = &case.then {
            self.refused.entry(code).or_default().0 += 1;
        }
        if let Outcome::Refused { code, .. } = &case.now {
            self.refused.entry(code).or_default().1 += 1;
        }
        case.fuel_then.iter().for_each(|fuel| self.fuel_then.add(*fuel));
        case.fuel_now.iter().for_each(|fuel| self.fuel_now.add(*fuel));
        for fault in &case.faults {
            *self.faults.entry(Fault::to_string(fault)).or_default() += 1;
        }
        if let (Some(then), Some(now)) = (case.then.price(), case.now.price()) {
            self.price(then, now);
        }
        self.money(case);
        self.change(case);
    }

    fn price(&mut self, then: Msat, now: Msat) {
        let permille = match (then.get(), now.get()) {
            (0, 0) => 1000,
            (0, _) => u64::MAX,
            (then, now) => {
                let ratio = u128::from(now) * 1000 / u128::from(then);
                // 1000 is an equal price, also when rounded.
                let ratio = if now > then { ratio.max(1001) } else { ratio };
                u64::try_from(ratio).unwrap_or(u64::MAX)
            }
        };
        let range = RATIOS.iter().position(|end| permille <= *end).unwrap_or(RATIOS.len());
        if let Some(count) = self.ratios.get_mut(range) {
            *count += 1;
        }
    }

    fn money(&mut self, case: &RecordedCase) {
        let model = case.then.model().or_else(|| case.now.model()).unwrap_or_default();
        let day = (case.at.get() / DAY_SECONDS).to_string();
        let customer = case.customer.to_hex();
        match case.money {
            Money::Nothing => {}
            Money::Known { then, now } => {
                self.known.add(then, now);
                if !case.now.is_accepted() && !then.is_zero() {
                    self.lost.add(then, now);
                }
            }
            Money::Unknown { why, then, asked } => {
                self.unknown.entry(why).or_default().add(then, asked)
            }
        }
        for row in [self.customers.row(&customer), self.models.row(model), self.days.row(&day)] {
            row.accepted_then += u64::from(case.then.is_accepted());
            row.accepted_now += u64::from(case.now.is_accepted());
            match case.money {
                Money::Nothing => {}
                Money::Known { then, now } => row.known.add(then, now),
                Money::Unknown { then, asked, .. } => row.unknown.add(then, asked),
            }
        }
    }

    fn change(&mut self, case: &RecordedCase) {
        let (then, now) = (&case.then, &case.now);
        if then.is_accepted() == now.is_accepted() && then.summary() == now.summary() {
            return;
        }
        self.changed += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let (then, now) = (then.summary().to_owned(), now.summary().to_owned());
            self.examples.push(AnswerChange { job: case.job, kind: case.kind, then, now });
        }
    }
}

/// A range of [`RATIOS`] for people, such as `≤ 0.50`.
pub fn ratio_label(index: usize) -> String {
    let times = |permille: u64| format!("{}.{:02}", permille / 1000, permille % 1000 / 10);
    match (index.checked_sub(1).and_then(|before| RATIOS.get(before)), RATIOS.get(index)) {
        (_, Some(1000)) => "the same".into(),
        (_, Some(999)) => "< 1".into(),
        (None, Some(end)) => format!("≤ {}", times(*end)),
        (Some(_), Some(end)) => format!("≤ {}", times(*end)),
        (Some(begin), None) => format!("> {}", times(*begin)),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::{PublicKey, UnixTime};

    fn accepted(price: u64) -> Outcome {
        Outcome::Accepted {
            summary: format!("{price} msats"),
            price: Some(Msat::new(price)),
            model: "m".into(),
        }
    }

    fn refused() -> Outcome {
        Outcome::Refused { code: "blocked", summary: "not served".into() }
    }

    fn case(number: u64, then: Outcome, now: Outcome, money: Money) -> RecordedCase {
        let customer =
            PublicKey::from_bytes(*pylon_core::Digest::of(&number.to_le_bytes()).as_bytes());
        let (job, at) = (JobId::from_bytes([1; 32]), UnixTime::new(DAY_SECONDS * (number % 3)));
        RecordedCase {
            job,
            kind: 5050,
            customer,
            at,
            then,
            now,
            money,
            fuel_then: vec![10],
            fuel_now: vec![20, 30],
            faults: vec![Fault::Trap],
        }
    }

    fn msat(amount: u64) -> Msat {
        Msat::new(amount)
    }

    /// Goal: what is unknown is reported and never counted. Method: one case of each kind of money.
    #[test]
    fn unknown_money_is_counted_separately() {
        let mut report = Report::default();
        report.add(&case(
            1,
            accepted(10),
            accepted(8),
            Money::Known { then: msat(10), now: msat(8) },
        ));
        report.add(&case(
            2,
            accepted(10),
            refused(),
            Money::Known { then: msat(10), now: msat(0) },
        ));
        let higher = Money::Unknown { why: Unknown::PriceHigher, then: msat(10), asked: msat(30) };
        report.add(&case(3, accepted(10), accepted(30), higher));
        report.add(&case(
            4,
            refused(),
            accepted(9),
            Money::Unknown { why: Unknown::Usage, then: msat(0), asked: msat(9) },
        ));
        report.add(&case(5, refused(), refused(), Money::Nothing));
        report.skip("confidential");
        let counts = Counts { then: 3, now: 3, both: 2 };
        assert_eq!((report.compared, report.accepted, report.changed), (5, counts, 4));
        assert_eq!(report.known, Sum { cases: 2, then: msat(20), now: msat(8) });
        assert_eq!(report.lost, Sum { cases: 1, then: msat(10), now: msat(0) });
        assert_eq!(
            report.unknown[&Unknown::PriceHigher],
            Sum { cases: 1, then: msat(10), now: msat(30) }
        );
        assert_eq!(report.refused["blocked"], (2, 2));
        assert_eq!(report.faults["trapped"], 5);
        assert_eq!((report.fuel_then.percentile(50), report.fuel_now.percentile(99)), (10, 30));
        let model = report.models.by_money();
        assert_eq!(
            (model[0].0, model[0].1.known.now, model[0].1.unknown.then),
            ("m", msat(8), msat(10))
        );
        assert_eq!(report.days.by_name().count(), 3);
    }

    /// Goal: a report does not grow with the journal. Method: more customers and changes than it
    /// has rows for.
    #[test]
    fn size_of_a_report_is_limited() {
        let mut report = Report::default();
        let customers = 2 * ROWS_MAX as u64;
        for number in 0..customers {
            report.add(&case(
                number,
                accepted(1),
                refused(),
                Money::Known { then: msat(1), now: msat(0) },
            ));
        }
        assert_eq!(report.customers.by_name().count(), ROWS_MAX + 1);
        let others = report.customers.by_money()[0];
        assert_eq!((others.0, others.1.known.then), (OTHERS, msat(customers - ROWS_MAX as u64)));
        assert_eq!((report.examples.len(), report.changed), (EXAMPLES_MAX, customers));
    }

    /// Each ratio is in its range; equal prices have a range of their own.
    #[test]
    fn prices_are_compared_in_ranges() {
        for (then, now, range) in [
            (1000, 0, 0),
            (1000, 100, 0),
            (1000, 101, 1),
            (100_000, 99_999, 5),
            (7, 7, 6),
            (0, 0, 6),
            (100_000, 100_001, 7),
            (1, 5, 11),
            (0, 1, 11),
        ] {
            let mut report = Report::default();
            report.price(msat(then), msat(now));
            assert_eq!(
                report.ratios.iter().position(|count| *count == 1),
                Some(range),
                "{then} {now}"
            );
        }
    }
}
