"""The HTML frame of the report."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MPSS evaluation {cohort}</title>
<style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:1160px;margin:2rem auto;
padding:0 1rem;color:#222}}
h1{{margin-bottom:.2rem}} h2{{margin-top:2.2rem;border-bottom:1px solid #ccc}}
table{{border-collapse:collapse;font-size:13px;margin:.6rem 0;display:block;overflow-x:auto}}
th,td{{padding:.2rem .45rem;border-bottom:1px solid #e4e4e4;text-align:right;white-space:nowrap}}
th:first-child,td:first-child{{text-align:left}}
table.text th,table.text td{{text-align:left;white-space:normal;vertical-align:top}}
thead th{{border-bottom:2px solid #888;white-space:normal}}
table.scores th:first-child{{min-width:13rem}} table.text th:first-child{{min-width:11rem}}
small{{color:#666}} .warn{{background:#fff3cd;padding:.5rem .8rem;border-left:4px solid #d39e00}}
figure{{margin:1rem 0}} figure svg{{max-width:100%;height:auto}}
figcaption{{color:#555;font-size:13px}}
pre{{background:#f6f6f6;padding:.6rem;font-size:12px;overflow-x:auto}}
</style></head><body>
<h1>Calcium score from a normal perfusion scan</h1>
<p>Cohort {cohort}: {patients} patients ({left_out} left out for missing values), test sets of
{n_test}. Made by {makers}. <b>Research use only; not a medical device.</b></p>
{warning}
<h2>In short</h2>
{answers}
<p>MYO is the whole myocardium; LAD3, LCX3 and RCA3 are the three vascular regions drawn with gaps;
LAD17, LCX17 and RCA17 are groups of the 17 polar segments. If there is nothing to find, {chance} of
the 7 segments are expected at p &le; .05; they share patients and arteries, so that false alarms
come in groups. A dash: no such test was made.</p>
<h2>Read this first</h2><ul>{caveats}</ul>
<p>Two profiles run side by side on the same splits: <i>as_published</i> keeps to the paper,
<i>corrected</i> differs in the settings below and judges dynamic range by |mean|.</p>
{profiles}

<h2>Did it predict? (counterpart of Table 3)</h2>
<p>Fisher's X over the runs; bold is above the threshold of the chi-squared distribution at .01:
{limits}, in the paper 135.81.
Beside it the median correlation with its sign. Both profiles and the paper's values.</p>
{fisher}
<h2>The same question, with tests that hold their level</h2>
<p>Bold is p &le; .01. A permutation p-value carries its Monte Carlo error; the increment test is
exact where the radiomic features are independent of the clinical terms.</p>
{exact}
<p>Approximations, quick but not calibrated (their error rates stand in the table below):</p>
{approximate}

<h2>How far the tests can be believed</h2>
<p>Rejections in {null_cohorts} synthetic cohorts of 428 patients without any signal (one segment,
99 permutations), with their standard errors; bold is more than a test may reject that holds its
level ({null_limits}). Fisher, the t approximation of the pooled rank correlation and Nadeau-Bengio
do not hold it, least of all with one-sided p-values. A permutation test is exact by construction:
what it rejects more or less is chance, and all rows share the same cohorts.</p>
{null}
<p>Rejections at .05 in further cohorts (199 permutations): an effect planted in the features and
hidden behind the clinical terms, nothing, and a signal that lies open.</p>
{planted}

<h2>The runs</h2>
<figure>{figure_r}<figcaption>Correlation in the test sets, with its sign (counterpart of Figure 8,
which shows the absolute value).</figcaption></figure>
<figure>{figure_p}<figcaption>P-values of the runs, log scale (counterpart of Figure 9). The dashed
line is .05.</figcaption></figure>

<h2>A better model</h2>
<p>Elastic net on log(1 + CAC), tuned and tried on separate patients; 90 % bootstrap intervals.
Coverage is the share of patients inside their 90 % interval, overall, without calcium, above 400:
overall it holds by construction, in the tails it need not.</p>
{better}

<h2>The cohort (counterparts of Table 1 and Figure 4)</h2>
{clinical}
<figure>{figure_classes}<figcaption>Patients by class of the total score. The paper: 178, 32,
77, 80 and 61.</figcaption></figure>

<h2>Choice of features, blind to the score</h2>
{ledger}
<p>{notes}</p>
<figure>{figure_varieties}<figcaption>Rank correlation of averaged and merged 3D matrices, median
over the segments (counterpart of Figure 5). The paper saw .98 to 1 on the diagonals.</figcaption>
</figure>
<p>Grey levels:</p>{levels}
{chosen}

<h2>One feature at a time (counterparts of Figures 6 and 7)</h2>
<figure>{figure_rho}<figcaption>|&rho;| of each selected feature with the five classes of its
segment's score, and its p-value.</figcaption></figure>
<p>False discoveries held at .05 (Benjamini-Hochberg, within a segment): {discoveries}.</p>

<h2>Where the paper contradicts itself</h2>
<p>None of it is mended in silence: each is a setting or a rule.</p>
{contradictions}

<h2>Settings</h2><pre>{settings}</pre>
</body></html>
"""
