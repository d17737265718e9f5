# %% [markdown]
# # Figures and tables of the paper, from the warehouse
#
# Each from a home whose cohort was evaluated (`MPSS_HOME` names it): CSV and PNG in the folder `paper/`. Numbers of the
# figures are those of Ashrafinia et al. 2021. What an evaluation did not write is left out, and said.

# %%
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import mpss_lib

PROFILE = "as_published"
FOLDER = Path("paper")
FOLDER.mkdir(exist_ok=True)
con = mpss_lib.open_warehouse()


def ask(sql, *values):
    """Answer of a question to the snapshot, as a frame."""
    return con.execute(sql, list(values)).df()


def keep(frame, name):
    """Write a table beside the figures."""
    frame.to_csv(FOLDER / f"{name}.csv", index=False)
    print(f"{name}: {len(frame)} rows")


# %% [markdown]
# ## Who is in, and table 1

# %%
keep(
    ask("select stage, reason, n_studies, n_left from core.cohort_flow_summary order by position"),
    "flow",
)
keep(ask("from core.table_one order by position"), "table_1")

# %% [markdown]
# ## Figure 4: the scores by their five classes

# %%
classes = ask(
    """
    select berman_class, count(*) as patients
    from core.cohort_member
    where is_latest and berman_class is not null
    group by berman_class
    order by berman_class
    """
)
keep(classes, "figure_4")
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.bar(classes["berman_class"].astype(str), classes["patients"])
axes.set(xlabel="class of the calcium score", ylabel="patients")
figure.savefig(FOLDER / "figure_4.png")

# %% [markdown]
# ## Figure 5: averaged and merged 3D matrices agree

# %%
pairs = ask("from selection.variety_correlation where profile = ?", PROFILE)
keep(pairs, "figure_5")
if len(pairs):
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    for family, own in pairs.groupby("family"):
        axes.hist(own["rho"], bins=20, alpha=0.6, label=family)
    axes.set(xlabel="Spearman's rho of an averaged and a merged feature", ylabel="pairs")
    axes.legend()
    figure.savefig(FOLDER / "figure_5.png")

# %% [markdown]
# ## The steps of the choice, and table 2: what was chosen

# %%
keep(
    ask(
        """
        select step, n_before, n_removed, n_after, n_paper
        from selection.ledger where profile = ? order by position
        """,
        PROFILE,
    ),
    "steps",
)
chosen = ask(
    """
    select feature, family, human_name, ibsi_code, bins
    from selection.selected_feature where profile = ? order by position
    """,
    PROFILE,
)
keep(chosen, "table_2")

# %% [markdown]
# ## Figures 6 and 7: each chosen feature alone against the score

# %%
alone = ask(
    """
    select segment, feature, abs(rho) as rho, p_value, p_adjusted
    from evaluation.univariate where profile = ? and outcome = 'raw'
    """,
    PROFILE,
)
keep(alone, "figures_6_and_7")
if len(alone):
    for number, column in ((6, "rho"), (7, "p_value")):
        table = alone.pivot_table(index="feature", columns="segment", values=column)
        figure, axes = plt.subplots(figsize=(5, 1 + 0.2 * len(table)), layout="constrained")
        drawn = axes.imshow(table, aspect="auto")
        axes.set_xticks(range(len(table.columns)), table.columns, rotation=90)
        axes.set_yticks(range(len(table)), table.index)
        figure.colorbar(drawn, label=column)
        figure.savefig(FOLDER / f"figure_{number}.png")

# %% [markdown]
# ## Figure 8 and table 3: the runs, and which configuration beats chance
#
# Fisher's method over overlapping test sets is what the paper did. Its level does not hold: read `conditional_mean_r` of
# the profile `corrected` beside it.

# %%
runs = ask(
    """
    select segment, configuration, abs(r) as r
    from evaluation.split_result where profile = ? and is_valid
    """,
    PROFILE,
)
keep(runs, "figure_8")
if len(runs):
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    runs.boxplot("r", by=["segment", "configuration"], rot=90, ax=axes)
    figure.suptitle("")
    axes.set(title="", xlabel="", ylabel="|r| of an outer run")
    figure.savefig(FOLDER / "figure_8.png")

tests = ask(
    """
    select segment, configuration, round(statistic, 1) as fisher, threshold, p_adjusted
    from evaluation.combined_test
    where profile = ? and test = 'fisher'
    order by segment, configuration
    """,
    PROFILE,
)
keep(tests, "table_3")
if len(tests):
    shown = tests.pivot_table(index="segment", columns="configuration", values="fisher")
    figure, axes = plt.subplots(figsize=(6, 0.5 + 0.3 * len(shown)), layout="constrained")
    axes.axis("off")
    axes.set_title(
        f"Fisher's statistic; beyond chance above {tests['threshold'].iloc[0]:.1f} (bold)",
        fontsize=10,
    )
    drawn = axes.table(
        shown.map("{:.1f}".format).to_numpy(),
        rowLabels=shown.index,
        colLabels=shown.columns,
        loc="center",
    )
    drawn.scale(1, 1.3)
    for row, column in zip(*(shown > tests["threshold"].iloc[0]).to_numpy().nonzero(), strict=True):
        drawn[row + 1, column].set_text_props(weight="bold")
    figure.savefig(FOLDER / "table_3.png")
keep(
    ask(
        """
        select segment, p_value, p_adjusted, is_at_floor
        from evaluation.combined_test
        where profile = 'corrected' and test = 'conditional_mean_r'
        order by segment
        """
    ),
    "do_radiomics_add",
)

# %% [markdown]
# ## Figures 10 and 11: one study with its prediction
#
# Its pictures: `mpss quality pictures KEY`.

# %%
keep(
    ask("from result.prediction_latest where profile = ? order by study_key limit 3", PROFILE),
    "figures_10_and_11",
)
con.close()
