//! What a back-test has found, put together case by case, in memory that does not grow with their number. Pure.

use super::case::{Case, Money, Stand, Unknown};
use super::quantiles::Quantiles;
use pylon_core::guest::Fault;
use pylon_core::{JobId, Msat};
use std::collections::BTreeMap;

/// Changes that are told one by one.
const EXAMPLES_MAX: usize = 10;
/// Customers, models and days that have a row of their own; what comes after them is one row, [`OTHERS`].
const ROWS_MAX: usize = 1000;
/// Stands for all rows that there is no room for.
pub const OTHERS: &str = "others";
const DAY_SECONDS: u64 = 86_400;

/// Prices now as parts of prices then, in thousandths: the end of each range but the last.
pub const RATIOS: [u64; 11] = [100, 250, 500, 750, 900, 999, 1000, 1100, 1500, 2000, 4000];

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Decisions that the candidate was asked about.
    pub compared: u64,
    /// Decisions that it could not be asked about, by reason.
    pub gone: BTreeMap<&'static str, u64>,
    /// Yes then, yes now, yes both times.
    pub yes: (u64, u64, u64),
    /// No, by its code: then and now.
    pub no: BTreeMap<&'static str, (u64, u64)>,
    /// Cases whose money is known.
    pub known: Sum,
    /// Of these, what was earned then and would not have been: refused now.
    pub lost: Sum,
    /// Cases whose money nobody knows.
    pub unknown: BTreeMap<Unknown, Sum>,
    /// The money of each customer, by public key.
    pub customers: Rows,
    /// The money of each model, by what was chosen then.
    pub models: Rows,
    /// The money of each day since 1970.
    pub days: Rows,
    /// Prices now as parts of prices then, where both said yes: one more than [`RATIOS`].
    pub ratios: [u64; RATIOS.len() + 1],
    /// Cases in which something changed.
    pub changed: u64,
    /// The first of them.
    pub examples: Vec<Example>,
    /// Of the recorded answers.
    pub fuel_then: Quantiles,
    /// Of the candidate's answers.
    pub fuel_now: Quantiles,
    /// Limits that the candidate broke.
    pub faults: BTreeMap<String, u64>,
}

/// A number of cases and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub cases: u64,
    /// Earned then.
    pub then: Msat,
    /// Earned now; of what is not known, asked for.
    pub now: Msat,
}

impl Sum {
    fn add(&mut self, then: Msat, now: Msat) {
        self.cases += 1;
        self.then = self.then.saturating_add(then);
        self.now = self.now.saturating_add(now);
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Which job or request.
    pub job: JobId,
    /// Its kind.
    pub kind: u16,
    /// What was decided.
    pub then: String,
    /// What the candidate says.
    pub now: String,
}

/// Rows by a name, as many as there is room for.
#[derive(Clone, Debug, Default)]
pub struct Rows(BTreeMap<String, RowSum>);

/// The money of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSum {
    /// Where it is known.
    pub known: Sum,
    /// Where it is not.
    pub unknown: Sum,
    /// Yes then.
    pub yes_then: u64,
    /// Yes now.
    pub yes_now: u64,
}

impl Rows {
    fn of(&mut self, name: &str) -> &mut RowSum {
        let name = if self.0.len() < ROWS_MAX || self.0.contains_key(name) { name } else { OTHERS };
        self.0.entry(name.to_owned()).or_default()
    }

    /// In the order of their names.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, &RowSum)> {
        self.0.iter().map(|(name, row)| (name.as_str(), row))
    }

    /// The most money first, whatever is known of it.
    pub fn by_money(&self) -> Vec<(&str, &RowSum)> {
        let mut rows: Vec<_> = self.by_name().collect();
        let weight = |row: &RowSum| {
            row.known.then.max(row.known.now).saturating_add(row.unknown.then.max(row.unknown.now))
        };
        rows.sort_by_key(|(_, row)| std::cmp::Reverse((weight(row), row.yes_then, row.yes_now)));
        rows
    }
}

impl Report {
    /// Was there nothing to ask about?
    pub fn is_empty(&self) -> bool {
        self.compared == 0 && self.gone.is_empty()
    }

    /// A decision that the candidate cannot be asked about.
    pub fn skip(&mut self, why: &'static str) {
        *self.gone.entry(why).or_default() += 1;
    }

    /// One more case.
    pub fn add(&mut self, case: &Case) {
        self.compared += 1;
        let (then, now) = (case.then.is_yes(), case.now.is_yes());
        self.yes.0 += u64::from(then);
        self.yes.1 += u64::from(now);
        self.yes.2 += u64::from(then && now);
        if let Stand::No { code, .. } = &case.then {
            self.no.entry(code).or_default().0 += 1;
        }
        if let Stand::No { code, .. } = &case.now {
            self.no.entry(code).or_default().1 += 1;
        }
        self.fuel_then.add(case.fuel_then);
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
                let part = u128::from(now) * 1000 / u128::from(then);
                // What is a little more or less is not the same.
                let part = if now > then { part.max(1001) } else { part };
                u64::try_from(part).unwrap_or(u64::MAX)
            }
        };
        let range = RATIOS.iter().position(|end| permille <= *end).unwrap_or(RATIOS.len());
        if let Some(count) = self.ratios.get_mut(range) {
            *count += 1;
        }
    }

    fn money(&mut self, case: &Case) {
        let model = case.then.model().or_else(|| case.now.model()).unwrap_or_default();
        let day = (case.at.get() / DAY_SECONDS).to_string();
        let customer = case.customer.to_hex();
        match case.money {
            Money::Nothing => {}
            Money::Known { then, now } => {
                self.known.add(then, now);
                if !case.now.is_yes() && !then.is_zero() {
                    self.lost.add(then, now);
                }
            }
            Money::Unknown { why, then, asked } => {
                self.unknown.entry(why).or_default().add(then, asked)
            }
        }
        for row in [self.customers.of(&customer), self.models.of(model), self.days.of(&day)] {
            row.yes_then += u64::from(case.then.is_yes());
            row.yes_now += u64::from(case.now.is_yes());
            match case.money {
                Money::Nothing => {}
                Money::Known { then, now } => row.known.add(then, now),
                Money::Unknown { then, asked, .. } => row.unknown.add(then, asked),
            }
        }
    }

    fn change(&mut self, case: &Case) {
        let is_same =
            case.then.is_yes() == case.now.is_yes() && case.then.words() == case.now.words();
        if is_same {
            return;
        }
        self.changed += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let (then, now) = (case.then.words().to_owned(), case.now.words().to_owned());
            self.examples.push(Example { job: case.job, kind: case.kind, then, now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::{PublicKey, UnixTime};

    fn yes(price: u64) -> Stand {
        Stand::Yes {
            words: format!("{price} msats"),
            price: Some(Msat::new(price)),
            model: "m".into(),
        }
    }

    fn no() -> Stand {
        Stand::No { code: "blocked", words: "not served".into() }
    }

    fn case(number: u64, then: Stand, now: Stand, money: Money) -> Case {
        let customer =
            PublicKey::from_bytes(*pylon_core::Digest::of(&number.to_le_bytes()).as_bytes());
        let (job, at) = (JobId::from_bytes([1; 32]), UnixTime::new(DAY_SECONDS * (number % 3)));
        Case {
            job,
            kind: 5050,
            customer,
            at,
            then,
            now,
            money,
            fuel_then: 10,
            fuel_now: vec![20, 30],
            faults: vec![Fault::Trap],
        }
    }

    fn msat(amount: u64) -> Msat {
        Msat::new(amount)
    }

    /// Goal: what is not known is told and never counted. Method: one case of each kind of money.
    #[test]
    fn what_is_unknown_is_apart() {
        let mut report = Report::default();
        report.add(&case(1, yes(10), yes(8), Money::Known { then: msat(10), now: msat(8) }));
        report.add(&case(2, yes(10), no(), Money::Known { then: msat(10), now: msat(0) }));
        let dearer = Money::Unknown { why: Unknown::Dearer, then: msat(10), asked: msat(30) };
        report.add(&case(3, yes(10), yes(30), dearer));
        report.add(&case(
            4,
            no(),
            yes(9),
            Money::Unknown { why: Unknown::Usage, then: msat(0), asked: msat(9) },
        ));
        report.add(&case(5, no(), no(), Money::Nothing));
        report.skip("confidential");
        assert_eq!((report.compared, report.yes, report.changed), (5, (3, 3, 2), 4));
        assert_eq!(report.known, Sum { cases: 2, then: msat(20), now: msat(8) });
        assert_eq!(report.lost, Sum { cases: 1, then: msat(10), now: msat(0) });
        assert_eq!(
            report.unknown[&Unknown::Dearer],
            Sum { cases: 1, then: msat(10), now: msat(30) }
        );
        assert_eq!(report.no["blocked"], (2, 2));
        assert_eq!(report.faults["trapped"], 5);
        assert_eq!((report.fuel_then.percentile(50), report.fuel_now.percentile(99)), (10, 30));
        let model = report.models.by_money();
        assert_eq!(
            (model[0].0, model[0].1.known.now, model[0].1.unknown.then),
            ("m", msat(8), msat(10))
        );
        assert_eq!(report.days.by_name().count(), 3);
    }

    /// Goal: a report does not grow with the journal. Method: more customers and changes than it has rows for.
    #[test]
    fn rows_have_a_bound() {
        let mut report = Report::default();
        let customers = 2 * ROWS_MAX as u64;
        for number in 0..customers {
            report.add(&case(number, yes(1), no(), Money::Known { then: msat(1), now: msat(0) }));
        }
        assert_eq!(report.customers.by_name().count(), ROWS_MAX + 1);
        let others = report.customers.by_money()[0];
        assert_eq!((others.0, others.1.known.then), (OTHERS, msat(customers - ROWS_MAX as u64)));
        assert_eq!((report.examples.len(), report.changed), (EXAMPLES_MAX, customers));
    }

    /// Each price falls into the range that it belongs to; what is the same has a range of its own.
    #[test]
    fn ratios() {
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
