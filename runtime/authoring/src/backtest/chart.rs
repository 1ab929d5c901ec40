//! The report as SVG: earnings by day, and the ratios of prices.

use super::report::{OTHERS, Report, ratio_label};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use pylon_core::UnixTime;
use pylon_core::units::format_utc;

const SIZE: (u32, u32) = (960, 720);
const DAY_SECONDS: u64 = 86_400;
/// The newest days are drawn.
const DAYS_MAX: usize = 60;
const THEN: RGBColor = RGBColor(120, 144, 156);
const NOW: RGBColor = RGBColor(46, 125, 50);
const UNKNOWN: RGBColor = RGBColor(255, 183, 77);

/// Draws the report as SVG; `title` is one line.
pub fn svg(report: &Report, title: &str) -> Result<String> {
    let mut text = String::new();
    draw(report, title, &mut text).map_err(|error| anyhow!("cannot draw the chart: {error}"))?;
    Ok(text)
}

fn draw(report: &Report, title: &str, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled(title, ("sans-serif", 20))?;
    let (upper, lower) = area.split_vertically(SIZE.1 / 2);
    days(report, &upper)?;
    ratios(report, &lower)?;
    area.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Three bars for each day: earned then, earned now, and earned then where now is unknown.
fn days(report: &Report, area: &Area<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let mut rows: Vec<(u64, [f64; 3])> = report
        .days
        .by_name()
        .filter(|(day, _)| *day != OTHERS)
        .filter_map(|(day, row)| {
            let sats =
                [row.known.then, row.known.now, row.unknown.then].map(|amount| sats(amount.get()));
            Some((day.parse().ok()?, sats))
        })
        .collect();
    rows.sort_by_key(|(day, _)| *day);
    let shown = rows.split_off(rows.len().saturating_sub(DAYS_MAX));
    let most = shown.iter().flat_map(|(_, sats)| sats).fold(1.0_f64, |most, sats| most.max(*sats));
    let label = |at: &f64| {
        let index = (0..shown.len()).find(|index| (*at - position(*index)).abs() < 0.01);
        let day = index
            .and_then(|index| shown.get(index))
            .map(|(day, _)| format_utc(UnixTime::new(day * DAY_SECONDS)));
        day.and_then(|day| day.get(5..10).map(str::to_owned)).unwrap_or_default()
    };
    let mut chart = ChartBuilder::on(area)
        .caption("Earnings by day, in sats", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(72)
        .build_cartesian_2d(-0.5..position(shown.len().max(1)) - 0.5, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(shown.len().clamp(2, 16))
        .x_label_formatter(&label)
        .draw()?;
    let names = [("then", THEN), ("now", NOW), ("then, where now is unknown", UNKNOWN)];
    for (which, (name, colour)) in names.into_iter().enumerate() {
        let bars = shown.iter().enumerate().map(|(index, (_, sats))| {
            // The bars of a day are centred on its index, and half a day is left at both ends.
            let left = position(index) - 0.395 + position(which) * 0.27;
            let height = sats.get(which).copied().unwrap_or_default();
            Rectangle::new([(left, 0.0), (left + 0.25, height)], colour.filled())
        });
        chart
            .draw_series(bars)?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}

/// One bar for each range of ratios.
fn ratios(report: &Report, area: &Area<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let most = report.ratios.iter().copied().max().unwrap_or(0).max(1);
    let count = report.ratios.len();
    let label = |at: &f64| {
        let index = (0..count).find(|index| (*at - position(*index) - 0.5).abs() < 0.01);
        index.map(ratio_label).unwrap_or_default()
    };
    let mut chart = ChartBuilder::on(area)
        .caption("Price now ÷ price then, jobs", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..position(count), 0.0..amount(most) * 1.1)?;
    chart.configure_mesh().disable_mesh().x_labels(0).x_label_formatter(&label).draw()?;
    let bars = report.ratios.iter().enumerate().map(|(index, jobs)| {
        let left = position(index) + 0.1;
        Rectangle::new([(left, 0.0), (left + 0.8, amount(*jobs))], NOW.filled())
    });
    chart.draw_series(bars)?;
    let style = ("sans-serif", 11).into_font();
    let names = (0..count).map(|index| {
        Text::new(ratio_label(index), (position(index) + 0.15, amount(most) * 1.06), style.clone())
    });
    chart.draw_series(names)?;
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a position in a chart")]
fn position(index: usize) -> f64 {
    index as f64
}

#[allow(clippy::cast_precision_loss, reason = "the height of a bar")]
fn amount(number: u64) -> f64 {
    number as f64
}

fn sats(msats: u64) -> f64 {
    amount(msats) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::{Money, Outcome, RecordedCase};
    use super::*;
    use pylon_core::{JobId, Msat, PublicKey};

    /// A report with one job a day, from 1 January 1970 on.
    fn report(days: u64) -> Report {
        let mut report = Report::default();
        let (then, now) = (Msat::new(2_000_000), Msat::new(3_000_000));
        let outcome = |price| Outcome::Accepted {
            summary: String::new(),
            price: Some(price),
            model: "m".into(),
        };
        for day in 0..days {
            report.add(&RecordedCase {
                job: JobId::from_bytes([1; 32]),
                kind: 5050,
                customer: PublicKey::from_bytes([2; 32]),
                at: UnixTime::new(day * DAY_SECONDS),
                then: outcome(then),
                now: outcome(now),
                money: Money::Known { then, now },
                fuel_then: vec![1],
                fuel_now: vec![1],
                faults: Vec::new(),
            });
        }
        report
    }

    /// `x` and `width` of all rectangles with this colour.
    fn rectangles(svg: &str, colour: &str) -> Vec<(i64, i64)> {
        let number = |element: &str, name: &str| -> i64 {
            let value = element.split(&format!(" {name}=\"")).nth(1).unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        };
        svg.split("<rect")
            .skip(1)
            .filter_map(|rest| rest.split("/>").next())
            .filter(|element| element.contains(colour))
            .map(|element| (number(element, "x"), number(element, "width")))
            .collect()
    }

    /// Goal: the chart shows every day. Method: charts of one, two and thirty days; all bars are
    /// equally wide and inside the axes, and the first day has a label.
    #[test]
    fn bars_of_all_days_are_inside_the_axes() {
        for days in [1, 2, 30] {
            let drawn = svg(&report(days), "a policy").unwrap();
            let (bars, legend): (Vec<_>, Vec<_>) =
                rectangles(&drawn, "#78909C").into_iter().partition(|(_, width)| *width != 12);
            assert_eq!((bars.len() as u64, legend.len()), (days, 1), "{days} days: {drawn}");
            let (least, most) =
                (bars.iter().map(|bar| bar.1).min(), bars.iter().map(|bar| bar.1).max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{days} days: {bars:?}");
            let is_inside = |(x, width): &(i64, i64)| *x >= 84 && x + width <= 948 && *width > 1;
            assert!(bars.iter().all(is_inside), "{days} days: {bars:?}");
            assert!(drawn.contains("01-01"), "{days} days: {drawn}");
        }
    }
}
