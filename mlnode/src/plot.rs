//! Curves as an SVG picture.
use std::fmt::Write;

/// A named curve of `(batch, nonces a second)`.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(u64, f64)>,
}

const SIZE: (f64, f64) = (720.0, 420.0);
/// Left and lower edge of the axes, and the margin of the other sides.
const EDGE: (f64, f64, f64) = (80.0, 370.0, 40.0);
const COLOURS: [&str; 4] = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"];
const LINES: u32 = 5;

/// Smallest of 1, 2, 5, 10, ... that is at least `x`.
fn round_up(x: f64) -> f64 {
    let power = 10_f64.powf(x.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|n| *n >= x).unwrap_or(x)
}

/// A picture of the curves: batches on a scale of doublings, nonces a second from zero.
pub(crate) fn plot(title: &str, curves: &[Curve]) -> String {
    let (width, height) = SIZE;
    let (left, bottom, margin) = EDGE;
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let step = round_up(points().map(|(_, rate)| *rate).fold(0.0, f64::max) / f64::from(LINES));
    let doublings = points().map(|(batch, _)| *batch as f64).fold(2.0, f64::max).log2();
    let x = |batch: u64| left + (batch.max(1) as f64).log2() / doublings * (width - left - margin);
    let y = |rate: f64| bottom - rate / (step * f64::from(LINES)) * (bottom - margin);

    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="{left}" y="20" font-size="14">{title}</text>
"#
    );
    for line in 0..=LINES {
        let (rate, right) = (step * f64::from(line), width - margin);
        let at = y(rate);
        let _ = writeln!(
            svg,
            r##"<path d="M{left} {at:.1}H{right}" stroke="#ddd"/><text x="{:.1}" y="{:.1}" text-anchor="end">{rate:.0}</text>"##,
            left - 6.0,
            at + 4.0
        );
    }
    let mut batches: Vec<u64> = points().map(|(batch, _)| *batch).collect();
    batches.sort_unstable();
    batches.dedup();
    for batch in batches {
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{batch}</text>"#,
            x(batch),
            bottom + 18.0
        );
    }
    for (index, (curve, colour)) in curves.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let line: Vec<String> =
            curve.points.iter().map(|(batch, rate)| format!("{:.1},{:.1}", x(*batch), y(*rate))).collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>
<text x="{:.1}" y="{:.1}" fill="{colour}">{}</text>"#,
            line.join(" "),
            left + 10.0,
            margin + 16.0 * (index + 1) as f64,
            curve.name
        );
    }
    svg + "</svg>\n"
}
