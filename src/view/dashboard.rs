//! A training on the whole terminal: curves, devices and the time left.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{
    Axis, Block, Cell, Chart, Dataset, Gauge, GraphType, LegendPosition, Paragraph, Row, Table,
};
use ratatui::{DefaultTerminal, Frame};

use crate::experiment::troubles::{share_in_words, troubles};
use crate::loss::Measure;
use crate::network::Laboratory;
use crate::training::{EpochMetrics, StepDone, TrainingBegins};

/// Time between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Time over which rates are averaged.
const RATE_OVER: Duration = Duration::from_secs(10);
/// Steps per point of the loss curve, which is their mean.
const STEPS_A_POINT: usize = 10;

/// A training on the whole terminal, which is restored when this is dropped.
pub struct Dashboard {
    terminal: DefaultTerminal,
    last_drawn: Instant,
    state: DashboardState,
}

/// What the dashboard shows.
struct DashboardState {
    label: String,
    total: usize,
    done: usize,
    /// Counts of the last [`RATE_OVER`], oldest first.
    counts: VecDeque<Counts>,
    /// Mean training loss of [`STEPS_A_POINT`] steps, by the step.
    losses: Vec<(f64, f64)>,
    /// Losses of the next point.
    pending: Vec<f32>,
    /// Accuracy in percent or R² of the training batches, by the step.
    training: Vec<(f64, f64)>,
    /// The same of the test.
    test: Vec<(f64, f64)>,
    last: Option<EpochMetrics>,
    devices: Vec<DeviceState>,
    stopping: bool,
}

/// Steps and shots done until `time`.
struct Counts {
    time: Instant,
    steps: usize,
    shots: u64,
}

/// A device's row of the table.
struct DeviceState {
    name: String,
    shots: u64,
    clamped: String,
    health: String,
}

impl Dashboard {
    /// Takes over the terminal for a training that `begins`.
    ///
    /// # Errors
    /// If standard output is not a terminal.
    pub fn new(begins: &TrainingBegins) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let last_drawn = Instant::now().checked_sub(DRAW_EVERY).unwrap_or_else(Instant::now);
        let state = DashboardState::new(begins.label, begins.steps, begins.done);
        Ok(Self { terminal, last_drawn, state })
    }

    /// Shows a step and reads the keys: q and Ctrl-C set `stop`.
    ///
    /// # Errors
    /// If the terminal is closed.
    pub fn step(
        &mut self,
        &StepDone { done, loss, laboratory }: &StepDone,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        self.state.step(done, loss);
        if self.last_drawn.elapsed() < DRAW_EVERY {
            return Ok(());
        }
        self.last_drawn = Instant::now();
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
            {
                let interrupts =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if interrupts || key.code == KeyCode::Char('q') {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
        self.state.stopping = stop.load(Ordering::Relaxed);
        self.state.read_devices(laboratory);
        self.terminal.draw(|frame| self.state.draw(frame))?;
        Ok(())
    }

    /// Shows the epoch that ended with step `step`.
    pub fn epoch(&mut self, step: usize, metrics: &EpochMetrics) {
        self.state.epoch(step, metrics);
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

impl DashboardState {
    fn new(label: &str, total: usize, done: usize) -> Self {
        Self {
            label: label.to_owned(),
            total,
            done,
            counts: VecDeque::new(),
            losses: Vec::new(),
            pending: Vec::new(),
            training: Vec::new(),
            test: Vec::new(),
            last: None,
            devices: Vec::new(),
            stopping: false,
        }
    }

    fn step(&mut self, done: usize, loss: f32) {
        self.done = done;
        self.pending.push(loss);
        if self.pending.len() == STEPS_A_POINT {
            let mean = self.pending.drain(..).sum::<f32>() / STEPS_A_POINT as f32;
            self.losses.push((done as f64, f64::from(mean)));
        }
    }

    fn epoch(&mut self, step: usize, metrics: &EpochMetrics) {
        let measure = metrics.test.measure();
        let shown = |value: f32| f64::from(measure.shown() * value);
        self.training.extend(metrics.train_accuracy.map(|share| (step as f64, shown(share))));
        self.test.push((step as f64, shown(metrics.test.value())));
        self.last = Some(metrics.clone());
    }

    fn read_devices(&mut self, laboratory: &Laboratory) {
        let now = Instant::now();
        let shots = laboratory.shots();
        self.counts.push_back(Counts { time: now, steps: self.done, shots });
        while self.counts.len() > 2 && now - self.counts[0].time > RATE_OVER {
            self.counts.pop_front();
        }
        self.devices = laboratory
            .instruments
            .iter()
            .map(|one| DeviceState {
                name: one.name.clone(),
                shots: one.device.shots(),
                clamped: share_in_words(one.device.counts()),
                health: one.kind().to_owned(),
            })
            .collect();
        // The rows of a farm's rigs follow those of the devices.
        self.devices.extend(laboratory.links().map(|link| {
            let counts = link.counts();
            let health = link.failure().unwrap_or_else(|| {
                let troubles = troubles(&counts);
                if troubles.is_empty() { "works".to_owned() } else { format!("works; {troubles}") }
            });
            let (name, shots) = (link.target().to_owned(), link.shots());
            DeviceState { name, shots, clamped: String::new(), health }
        }));
    }

    /// Steps and shots a second.
    fn rates(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.counts.front(), self.counts.back()) else {
            return (0.0, 0.0);
        };
        let seconds = (last.time - first.time).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        let (steps, shots) = (last.steps - first.steps, last.shots - first.shots);
        (steps as f64 / seconds, shots as f64 / seconds)
    }

    fn draw(&self, frame: &mut Frame) {
        let device_lines = self.devices.len() as u16 + 3;
        let [head, charts, devices, foot] = Layout::vertical([
            Constraint::Length(3),
            Constraint::Min(8),
            Constraint::Length(device_lines.min(12)),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_progress(frame, head);
        let wide = charts.width >= 80;
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        let layout = if wide { Layout::horizontal(halves) } else { Layout::vertical(halves) };
        let [left, right] = layout.areas(charts);
        let scores = [
            Curve { name: "training", colour: Color::Blue, points: &self.training },
            Curve { name: "test, on the device", colour: Color::Yellow, points: &self.test },
        ];
        let measure = self.last.as_ref().map_or(Measure::Accuracy, |last| last.test.measure());
        let top = f64::from(measure.shown());
        self.draw_chart(frame, left, measure.with_unit(), Some(top), &scores);
        let losses = [Curve { name: "training", colour: Color::Blue, points: &self.losses }];
        self.draw_chart(frame, right, "loss", None, &losses);
        self.draw_devices(frame, devices);
        let keys = if self.stopping {
            "stopping after this step, with a checkpoint"
        } else {
            "q: stop after this step, with a checkpoint"
        };
        frame.render_widget(Paragraph::new(keys).dim(), foot);
    }

    fn draw_progress(&self, frame: &mut Frame, area: Rect) {
        let (steps, _) = self.rates();
        let left = if steps > 0.0 {
            let seconds = (self.total.saturating_sub(self.done)) as f64 / steps;
            format!("{steps:.1} steps a second, {} left", in_words(seconds))
        } else {
            String::new()
        };
        let ratio = (self.done as f64 / self.total.max(1) as f64).clamp(0.0, 1.0);
        let gauge = Gauge::default()
            .block(Block::bordered().title(self.label.as_str()))
            .gauge_style(Style::new().fg(Color::Blue))
            .ratio(ratio)
            .label(format!("{}/{}  {left}", self.done, self.total));
        frame.render_widget(gauge, area);
    }

    fn draw_chart(
        &self,
        frame: &mut Frame,
        area: Rect,
        title: &str,
        top: Option<f64>,
        curves: &[Curve],
    ) {
        let values = curves.iter().flat_map(|curve| curve.points).map(|point| point.1);
        let highest = values.fold(0.0, f64::max);
        let top = top.unwrap_or(if highest > 0.0 { 1.05 * highest } else { 1.0 });
        let datasets = curves
            .iter()
            .map(|&Curve { name, colour, points }| {
                Dataset::default()
                    .name(name)
                    .marker(Marker::Braille)
                    .graph_type(GraphType::Line)
                    .style(Style::new().fg(colour))
                    .data(points)
            })
            .collect();
        let right = self.total.max(1) as f64;
        let x = Axis::default()
            .bounds([0.0, right])
            .labels(["0".to_owned(), format!("step {}", self.total)]);
        let y = Axis::default().bounds([0.0, top]).labels(["0".to_owned(), in_digits(top)]);
        let chart = Chart::new(datasets)
            .block(Block::bordered().title(title))
            .legend_position(Some(LegendPosition::BottomRight))
            .hidden_legend_constraints((Constraint::Ratio(1, 2), Constraint::Ratio(1, 2)))
            .x_axis(x)
            .y_axis(y);
        frame.render_widget(chart, area);
    }

    fn draw_devices(&self, frame: &mut Frame, area: Rect) {
        let rows = self.devices.iter().map(|device| {
            Row::new([
                Cell::from(device.name.as_str()),
                Cell::from(device.shots.to_string()),
                Cell::from(device.clamped.as_str()),
                Cell::from(self.cosine_of(&device.name)),
                Cell::from(device.health.as_str()),
            ])
        });
        let widths = [
            Constraint::Fill(2),
            Constraint::Length(12),
            Constraint::Length(10),
            Constraint::Length(14),
            Constraint::Fill(3),
        ];
        let (_, shots) = self.rates();
        let title = Line::from(format!("devices, {shots:.0} shots a second"));
        let table = Table::new(rows, widths)
            .header(Row::new(["device", "shots", "clamped", "twin's cosine", "health"]).bold())
            .block(Block::bordered().title(title));
        frame.render_widget(table, area);
    }

    /// The gradient cosine of a device's twin after the last epoch; empty if the twin is not refined.
    fn cosine_of(&self, name: &str) -> String {
        let mut twins = self.last.iter().flat_map(|metrics| &metrics.twins);
        let twin = twins.rfind(|twin| twin.device == name);
        twin.map_or(String::new(), |twin| format!("{:.2}", twin.gradient_cosine.value))
    }
}

/// A curve of a chart.
struct Curve<'a> {
    name: &'a str,
    colour: Color,
    points: &'a [(f64, f64)],
}

/// `value` with about three digits.
fn in_digits(value: f64) -> String {
    let digits = if value >= 100.0 { 0 } else { 2 };
    format!("{value:.digits$}")
}

/// `seconds` in seconds, minutes or hours, with the next smaller unit.
fn in_words(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn screen(width: u16, height: u16) -> String {
        let mut state = DashboardState::new("train vowels by pat", 200, 0);
        for step in 1..=100 {
            state.step(step, 2.0 - 0.01 * step as f32);
        }
        state.devices = vec![DeviceState {
            name: "shg".to_owned(),
            shots: 4096,
            clamped: "0.2 %".to_owned(),
            health: "simulated".to_owned(),
        }];
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| state.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_screen_shows_progress_curves_and_devices() {
        for (width, height) in [(120, 30), (60, 40)] {
            let screen = screen(width, height);
            for text in ["train vowels by pat", "100/200", "accuracy (%)", "shg", "4096", "q: stop"]
            {
                assert!(screen.contains(text), "{width}x{height}: no {text} in\n{screen}");
            }
            // Curves are drawn in Braille characters.
            assert!(screen.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{screen}");
        }
    }

    #[test]
    fn drawing_works_on_tiny_and_huge_terminals() {
        for (width, height) in [(1, 1), (20, 5), (400, 100)] {
            let _ = screen(width, height);
        }
    }
}
