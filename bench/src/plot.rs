//! A plot of a few lines over time, as SVG, with nothing but text.

use std::fmt::Write;

const COLOURS: [&str; 6] = ["#1f6f8b", "#d1495b", "#3a7d44", "#edae49", "#6c4f9c", "#555555"];
const W: f64 = 860.0;
const H: f64 = 380.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 44.0;

/// A round number such that `max` needs about five of it.
fn step(max: f64) -> f64 {
    let raw = (max / 5.0).max(1.0);
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw).unwrap_or(raw)
}

/// `samples`: seconds, and one number per line. `marks`: seconds and what happened then.
pub fn lines(title: &str, samples: &[(f64, Vec<i64>)], marks: &[(f64, &str)]) -> String {
    let t_max = samples.last().map_or(1.0, |s| s.0).max(1.0);
    let y_max = samples.iter().flat_map(|s| &s.1).copied().max().unwrap_or(1).max(1) as f64 * 1.05;
    let x = |t: f64| LEFT + t / t_max * (W - LEFT - RIGHT);
    let y = |v: f64| H - BOTTOM - v / y_max * (H - TOP - BOTTOM);
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {W} {H}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{W}\" height=\"{H}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{title}</text>\n"
    );
    let dy = step(y_max);
    for k in 0..=(y_max / dy) as i64 {
        let v = k as f64 * dy;
        let (y, right) = (y(v), W - RIGHT);
        let _ = writeln!(s, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#dddddd\"/>");
        let _ = writeln!(s, "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{v}</text>", LEFT - 8.0, y + 4.0);
    }
    let dt = step(t_max);
    for k in 0..=(t_max / dt) as i64 {
        let t = k as f64 * dt;
        let _ = writeln!(s, "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{t} s</text>", x(t), H - BOTTOM + 20.0);
    }
    for (t, text) in marks {
        let (x, bottom) = (x(*t), H - BOTTOM);
        let _ = writeln!(s, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#888888\" stroke-dasharray=\"4 3\"/>");
        let _ = writeln!(s, "<text x=\"{:.1}\" y=\"{:.0}\" fill=\"#555555\">{text}</text>", x + 3.0, TOP - 6.0);
    }
    let n = samples.first().map_or(0, |s| s.1.len());
    // the names stand where the lines end, and not on each other
    let mut ends: Vec<(usize, f64)> = (0..n).map(|i| (i, y(samples.last().map_or(0, |s| s.1[i]) as f64))).collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    for k in 1..ends.len() {
        ends[k].1 = ends[k].1.max(ends[k - 1].1 + 15.0);
    }
    for (i, end) in ends {
        let colour = COLOURS[i % COLOURS.len()];
        let points: Vec<String> = samples.iter().map(|(t, v)| format!("{:.1},{:.1}", x(*t), y(v[i] as f64))).collect();
        let points = points.join(" ");
        let _ = writeln!(s, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let (x, y) = (W - RIGHT + 6.0, end + 4.0);
        let _ = writeln!(s, "<text x=\"{x:.0}\" y=\"{y:.1}\" fill=\"{colour}\">server {}</text>", i + 1);
    }
    s.push_str("</svg>\n");
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!([1.0, 7.0, 90.0, 1600.0].map(step), [1.0, 2.0, 20.0, 500.0]);
    }

    #[test]
    fn every_line_and_mark_is_drawn() {
        let s = lines("t", &[(0.0, vec![1, 2]), (1.0, vec![2, 1])], &[(0.5, "now")]);
        assert_eq!(s.matches("<polyline").count(), 2);
        assert!(s.contains(">now<") && s.ends_with("</svg>\n"));
    }
}
