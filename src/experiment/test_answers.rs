//! A run's answers to its test samples, where the targets are values.

use nalgebra::DMatrix;

use super::run_folder::RunFolder;
use super::trained_on::TrainedOn;
use crate::Error;
use crate::data::Schema;
use crate::training::Unobserved;

/// A network's answers to the test samples after its last epoch, beside the true values.
#[derive(Clone, Debug, PartialEq)]
pub struct TestAnswers {
    /// Names of the targets.
    pub targets: Vec<String>,
    /// The answers, `[targets × samples]`, in the units of the data's file.
    pub predicted: DMatrix<f64>,
    /// The true values, of the same shape and units.
    pub truth: DMatrix<f64>,
}

impl RunFolder {
    /// Writes the `answers` to test samples with the values `truth`, both `[targets × samples]` and standardised as
    /// `schema` says, in the units of the data's file.
    pub(super) fn write_test_answers(
        &self,
        schema: &Schema,
        answers: &DMatrix<f32>,
        truth: &DMatrix<f32>,
    ) -> Result<(), Error> {
        self.write_array(Self::TEST_PREDICTED, &schema.in_file_units(answers))?;
        self.write_array(Self::TEST_TRUE, &schema.in_file_units(truth))
    }

    /// The answers of the run's last epoch to its test samples; `None` where the targets are classes or labels, and in
    /// a run that has not ended.
    ///
    /// # Errors
    /// [`Error::Data`] for a damaged file, [`Error::File`] for one that cannot be read.
    pub fn test_answers(&self) -> Result<Option<TestAnswers>, Error> {
        let predicted = self.read_array::<f64>(Self::TEST_PREDICTED)?;
        let truth = self.read_array::<f64>(Self::TEST_TRUE)?;
        let (Some(predicted), Some(truth)) = (predicted, truth) else { return Ok(None) };
        let Some(known) = TrainedOn::of_run(self, &mut Unobserved)? else { return Ok(None) };
        let targets: Vec<String> = known.targets.into_iter().map(|target| target.name).collect();
        if predicted.shape() != truth.shape() || predicted.nrows() != targets.len() {
            return Err(Error::Data {
                path: self.path().join(Self::TEST_PREDICTED),
                problem: format!(
                    "it has {} samples of {} values, {} has {} of {}, and the run has {} targets; the files are not of one run",
                    predicted.ncols(),
                    predicted.nrows(),
                    Self::TEST_TRUE,
                    truth.ncols(),
                    truth.nrows(),
                    targets.len()
                ),
            });
        }
        Ok(Some(TestAnswers { targets, predicted, truth }))
    }
}
