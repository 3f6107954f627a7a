//! A small writer of SVG: shapes with classes, one style for all pictures, a card of its own so that any page around it will do.

use std::fmt::Write as _;

const STYLE: &str = "
text { font-family: system-ui, 'DejaVu Sans', sans-serif; font-size: 13px; fill: #1f2933; }
.title { font-size: 17px; font-weight: bold; }
.small { font-size: 11.5px; fill: #52606d; }
.strong { font-weight: bold; }
.mono { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: 11.5px; }
.halo { stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; paint-order: stroke; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.card { fill: #ffffff; stroke: #cbd2d9; }
.line { fill: none; stroke: #7b8794; stroke-width: 1.3; }
.dash { stroke-dasharray: 4 4; }
.faint { opacity: 0.3; }
.box { fill: #f5f7fa; stroke: #7b8794; stroke-width: 1.3; }
.shared { fill: #e3eefc; stroke: #2160a8; stroke-width: 1.5; }
.own { fill: #fdf0dc; stroke: #b2691a; stroke-width: 1.5; }
.miss { fill: #7b8794; }
.hit { fill: #c2281f; stroke: #ffffff; stroke-width: 0.7; }
.hits { fill: #c2281f; }
.misses { fill: #b8c2cc; }
.cap { fill: #f7c9c5; fill-opacity: 0.55; stroke: none; }
.rim { fill: none; stroke: #c2281f; stroke-width: 2; }
.curve { fill: none; stroke: #10293f; stroke-width: 2; }
.known { fill: #fdf0dc; stroke: #b2691a; stroke-width: 2.2; }
.path { fill: #e3eefc; stroke: #2160a8; stroke-width: 2.2; }
.trace { fill: none; stroke: #2160a8; stroke-width: 3; }
";

/// A picture that grows by shapes.
pub(super) struct Svg {
    width: u32,
    height: u32,
    head: String,
    body: String,
}

/// A length, rounded to one decimal; never "-0".
fn length(x: f64) -> String {
    let tenths = (x * 10.0).round();
    let text = format!("{:.1}", if tenths == 0.0 { 0.0 } else { tenths / 10.0 });
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Svg {
    /// An empty card. `title` names the picture, `description` tells what it shows to one who does not see it.
    pub(super) fn new(width: u32, height: u32, title: &str, description: &str) -> Self {
        let head = format!(
            "<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n",
            escaped(title),
            escaped(description)
        );
        let mut svg = Self { width, height, head, body: String::new() };
        svg.rect("card", (0.5, 0.5), (f64::from(width) - 1.0, f64::from(height) - 1.0), 10.0);
        svg.text("title", (24.0, 34.0), title);
        svg
    }

    /// Adds an element: attributes are pairs of name and value.
    fn element(&mut self, name: &str, class: &str, attributes: &[(&str, f64)]) {
        // Writing to a string does not fail.
        let _ = write!(self.body, "<{name} class=\"{class}\"");
        for (attribute, value) in attributes {
            let _ = write!(self.body, " {attribute}=\"{}\"", length(*value));
        }
        self.body.push_str("/>\n");
    }

    /// A rectangle with its corner at `(x, y)`.
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), round: f64) {
        let at = [("x", x), ("y", y), ("width", width), ("height", height), ("rx", round)];
        self.element("rect", class, &at);
    }

    /// A circle.
    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        self.element("circle", class, &[("cx", x), ("cy", y), ("r", radius)]);
    }

    /// An ellipse.
    pub(super) fn ellipse(&mut self, class: &str, (x, y): (f64, f64), (rx, ry): (f64, f64)) {
        self.element("ellipse", class, &[("cx", x), ("cy", y), ("rx", rx), ("ry", ry)]);
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.element("line", class, &[("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)]);
    }

    /// A diamond: what is a hit, also without colours.
    pub(super) fn diamond(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let points = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)];
        self.path(class, &[&Self::polyline(&points), "Z"]);
    }

    /// A path of pieces from [`Self::polyline`], [`Self::arc`] and `Z`.
    pub(super) fn path(&mut self, class: &str, pieces: &[&str]) {
        let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{}\"/>", pieces.join(" "));
    }

    /// An arrow along points.
    pub(super) fn arrow(&mut self, points: &[(f64, f64)]) {
        let d = Self::polyline(points);
        let _ = writeln!(self.body, "<path class=\"line\" marker-end=\"url(#head)\" d=\"{d}\"/>");
    }

    /// Text with its baseline at `(x, y)`.
    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let (x, y, text) = (length(x), length(y), escaped(text));
        let _ = writeln!(self.body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>");
    }

    /// Lines of text, 17 apart.
    pub(super) fn texts(&mut self, class: &str, (x, y): (f64, f64), lines: &[&str]) {
        let mut at = y;
        for line in lines {
            self.text(class, (x, at), line);
            at += 17.0;
        }
    }

    /// Piece of a path: a move to the first point, lines to the others.
    pub(super) fn polyline(points: &[(f64, f64)]) -> String {
        let of = |(x, y): &(f64, f64)| format!("{} {}", length(*x), length(*y));
        format!("M{}", points.iter().map(of).collect::<Vec<_>>().join(" L"))
    }

    /// Piece of a path: an arc of an ellipse from where the path is to `(x, y)`; `sweep` is clockwise on the screen.
    pub(super) fn arc((rx, ry): (f64, f64), large: bool, sweep: bool, (x, y): (f64, f64)) -> String {
        let [rx, ry, x, y] = [rx, ry, x, y].map(length);
        format!("A{rx} {ry} 0 {} {} {x} {y}", u8::from(large), u8::from(sweep))
    }

    /// The file.
    pub(super) fn finish(self) -> String {
        let Self { width, height, head, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-labelledby=\"title desc\">\n{head}<!-- Written by `cargo xtask figures`. -->\n\
             <style>{STYLE}</style>\n<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 Z\" fill=\"#7b8794\"/></marker></defs>\n{body}</svg>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_decimal_and_no_sign_of_nothing() {
        for (x, want) in [(0.04, "0"), (-0.04, "0"), (1.0, "1"), (-2.25, "-2.3"), (10.0, "10"), (0.06, "0.1")]
        {
            assert_eq!(length(x), want, "{x}");
        }
    }

    #[test]
    fn text_cannot_become_an_element() {
        let mut svg = Svg::new(10, 10, "a < b & c", "d > e");
        svg.text("small", (1.0, 2.0), "<script>");
        let file = svg.finish();
        assert!(
            file.contains("a &lt; b &amp; c") && file.contains("&lt;script&gt;") && !file.contains("<script")
        );
    }
}
