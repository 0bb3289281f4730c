//! A training on the whole terminal: curves as they grow, the devices, the time left.

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

use crate::experiment::{share_in_words, troubles};
use crate::loss::Measure;
use crate::network::Laboratory;
use crate::training::{EpochMetrics, StepDone, TrainingBegins};

/// Between two pictures.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Over which rates are averaged.
const RATE_OVER: Duration = Duration::from_secs(10);
/// Steps whose mean loss is one point.
const STEPS_A_POINT: usize = 10;

/// A training on the whole terminal, until it is dropped.
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
    /// Steps done and shots played at the last moments.
    moments: VecDeque<(Instant, usize, u64)>,
    /// Mean loss of some steps, by the step.
    losses: Vec<(f64, f64)>,
    /// Losses of the next point.
    pending: Vec<f32>,
    /// Accuracy in percent, by the step: of the training batches, and of the test.
    training: Vec<(f64, f64)>,
    test: Vec<(f64, f64)>,
    last: Option<EpochMetrics>,
    devices: Vec<DeviceState>,
    stopping: bool,
}

/// One device.
struct DeviceState {
    name: String,
    shots: u64,
    clamped: String,
    health: String,
}

impl Dashboard {
    /// Takes the terminal for a training that `begins`.
    ///
    /// # Errors
    /// Where there is no terminal.
    pub fn new(begins: &TrainingBegins) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let last_drawn = Instant::now().checked_sub(DRAW_EVERY).unwrap_or_else(Instant::now);
        let state = DashboardState::new(begins.label, begins.steps, begins.done);
        Ok(Self { terminal, last_drawn, state })
    }

    /// Hears of a step, and of the keys: q and Ctrl-C set `stop`.
    ///
    /// # Errors
    /// Where the terminal is gone.
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
        self.state.look_at(laboratory);
        self.terminal.draw(|frame| self.state.draw(frame))?;
        Ok(())
    }

    /// Hears of the epoch that ended with step `step`.
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
            moments: VecDeque::new(),
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

    fn look_at(&mut self, laboratory: &Laboratory) {
        let now = Instant::now();
        self.moments.push_back((now, self.done, laboratory.shots()));
        while self.moments.len() > 2 && now - self.moments[0].0 > RATE_OVER {
            self.moments.pop_front();
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
        // A farm has a line for each of its rigs; they follow the device.
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
        let (Some(first), Some(last)) = (self.moments.front(), self.moments.back()) else {
            return (0.0, 0.0);
        };
        let seconds = (last.0 - first.0).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        ((last.1 - first.1) as f64 / seconds, (last.2 - first.2) as f64 / seconds)
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
        let scores: [CurveOf; 2] = [
            ("training", Color::Blue, &self.training),
            ("test, on the device", Color::Yellow, &self.test),
        ];
        let measure = self.last.as_ref().map_or(Measure::Accuracy, |last| last.test.measure());
        let top = f64::from(measure.shown());
        self.draw_chart(frame, left, measure.with_unit(), Some(top), &scores);
        let losses: [CurveOf; 1] = [("training", Color::Blue, &self.losses)];
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
        lines: &[CurveOf],
    ) {
        let values = lines.iter().flat_map(|(_, _, points)| points.iter().map(|point| point.1));
        let highest = values.fold(0.0, f64::max);
        let top = top.unwrap_or(if highest > 0.0 { 1.05 * highest } else { 1.0 });
        let datasets = lines
            .iter()
            .map(|(name, colour, points)| {
                Dataset::default()
                    .name(*name)
                    .marker(Marker::Braille)
                    .graph_type(GraphType::Line)
                    .style(Style::new().fg(*colour))
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
                Cell::from(self.twin_of(&device.name)),
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

    /// The gradient cosine of a device's twin after the last epoch, where it is refined.
    fn twin_of(&self, name: &str) -> String {
        let mut twins = self.last.iter().flat_map(|metrics| &metrics.twins);
        let twin = twins.rfind(|twin| twin.device == name);
        twin.map_or(String::new(), |twin| format!("{:.2}", twin.gradient_cosine.value))
    }
}

/// A curve: its name, colour and points.
type CurveOf<'a> = (&'a str, Color, &'a Vec<(f64, f64)>);

/// `value` with three digits or so.
fn in_digits(value: f64) -> String {
    let digits = if value >= 100.0 { 0 } else { 2 };
    format!("{value:.digits$}")
}

/// `seconds` in the largest units that say something.
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
    fn it_shows_progress_curves_and_devices() {
        for (width, height) in [(120, 30), (60, 40)] {
            let screen = screen(width, height);
            for text in ["train vowels by pat", "100/200", "accuracy (%)", "shg", "4096", "q: stop"]
            {
                assert!(screen.contains(text), "{width}x{height}: no {text} in\n{screen}");
            }
            // The loss has fallen from 2 to 1 over the left half: its curve is there.
            assert!(screen.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{screen}");
        }
    }

    #[test]
    fn it_fits_where_there_is_hardly_room() {
        for (width, height) in [(1, 1), (20, 5), (400, 100)] {
            let _ = screen(width, height);
        }
    }
}
