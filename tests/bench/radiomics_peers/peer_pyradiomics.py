"""Measure pyradiomics in its own environment: 3D features, averaged over directions only.

Names are turned into SERA's where IBSI has the feature. Shape and first order do not depend on the
bins, but for two first-order features: with several bin numbers they are asked for once.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from clock import serve

SHAPE = """MeshVolume volume VoxelVolume vol_approx SurfaceArea area_mesh SurfaceVolumeRatio av
    Sphericity sphericity Maximum3DDiameter diam MajorAxisLength pca_maj_axis
    MinorAxisLength pca_min_axis LeastAxisLength pca_least_axis Elongation pca_elongation
    Flatness pca_flatness"""
FIRST = """Mean mean Variance var Skewness skew Kurtosis kurt Median median Minimum min
    10Percentile p10 90Percentile p90 Maximum max InterquartileRange iqr Range range
    MeanAbsoluteDeviation mad RobustMeanAbsoluteDeviation rmad Energy energy
    RootMeanSquared rms"""
HISTOGRAM = "Entropy entropy Uniformity uniformity"
PAIRS = """MaximumProbability joint_max JointAverage joint_avg SumSquares joint_var
    JointEntropy joint_entr DifferenceAverage diff_avg DifferenceVariance diff_var
    DifferenceEntropy diff_entr SumAverage sum_avg SumEntropy sum_entr JointEnergy energy
    Contrast contrast Id inv_diff Idn inv_diff_norm Idm inv_diff_mom Idmn inv_diff_mom_norm
    InverseVariance inv_var Correlation corr Autocorrelation auto_corr
    ClusterTendency clust_tend ClusterShade clust_shade ClusterProminence clust_prom
    Imc1 info_corr1 Imc2 info_corr2"""
RUNS = """ShortRunEmphasis sre LongRunEmphasis lre LowGrayLevelRunEmphasis lgre
    HighGrayLevelRunEmphasis hgre ShortRunLowGrayLevelEmphasis srlge
    ShortRunHighGrayLevelEmphasis srhge LongRunLowGrayLevelEmphasis lrlge
    LongRunHighGrayLevelEmphasis lrhge GrayLevelNonUniformity glnu
    GrayLevelNonUniformityNormalized glnu_norm RunLengthNonUniformity rlnu
    RunLengthNonUniformityNormalized rlnu_norm RunPercentage r_perc GrayLevelVariance gl_var
    RunVariance rl_var RunEntropy rl_entr"""
ZONES = """SmallAreaEmphasis sze LargeAreaEmphasis lze LowGrayLevelZoneEmphasis lgze
    HighGrayLevelZoneEmphasis hgze SmallAreaLowGrayLevelEmphasis szlge
    SmallAreaHighGrayLevelEmphasis szhge LargeAreaLowGrayLevelEmphasis lzlge
    LargeAreaHighGrayLevelEmphasis lzhge GrayLevelNonUniformity glnu
    GrayLevelNonUniformityNormalized glnu_norm SizeZoneNonUniformity zsnu
    SizeZoneNonUniformityNormalized zsnu_norm ZonePercentage z_perc GrayLevelVariance gl_var
    ZoneVariance zs_var ZoneEntropy zs_entr"""
DEPENDENCES = """SmallDependenceEmphasis lde LargeDependenceEmphasis hde
    LowGrayLevelEmphasis lgce HighGrayLevelEmphasis hgce
    SmallDependenceLowGrayLevelEmphasis ldlge SmallDependenceHighGrayLevelEmphasis ldhge
    LargeDependenceLowGrayLevelEmphasis hdlge LargeDependenceHighGrayLevelEmphasis hdhge
    GrayLevelNonUniformity glnu DependenceNonUniformity dcnu
    DependenceNonUniformityNormalized dcnu_norm GrayLevelVariance gl_var
    DependenceVariance dc_var DependenceEntropy dc_entr"""
TONES = """Coarseness coarseness Contrast contrast Busyness busyness Complexity complexity
    Strength strength"""
CLASSES = (
    ("shape", "morph_", "", SHAPE),
    ("firstorder", "stat_", "", FIRST),
    ("firstorder", "ih_", "", HISTOGRAM),
    ("glcm", "cm_", "_3D_avg", PAIRS),
    ("glrlm", "rlm_", "_3D_avg", RUNS),
    ("glszm", "szm_", "_3D", ZONES),
    ("gldm", "ngl_", "_3D", DEPENDENCES),
    ("ngtdm", "ngt_", "_3D", TONES),
)
TEXTURES = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")


def sera_names() -> dict[str, str]:
    names = {}
    for group, prefix, suffix, text in CLASSES:
        words = text.split()
        for theirs, ours in zip(words[::2], words[1::2], strict=True):
            names[f"original_{group}_{theirs}"] = f"{prefix}{ours}{suffix}"
    return names


def make(image, mask, spacing):
    import SimpleITK
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    pair = [SimpleITK.GetImageFromArray(a) for a in (image, mask.astype(np.uint8))]
    for volume in pair:
        volume.SetSpacing(spacing[::-1])
    names = sera_names()

    def extract(bins):
        first = {}
        for n_bins in bins:
            tool = RadiomicsFeatureExtractor(binCount=n_bins, additionalInfo=False)
            tool.disableAllFeatures()
            for group in (*TEXTURES, *(() if first else ("shape",))):
                tool.enableFeatureClassByName(group)
            found = tool.execute(*pair)
            # Those without a name of ours count as given, under their own.
            first = first or {names.get(key, key): value for key, value in found.items()}
        return first

    return extract


if __name__ == "__main__":
    import radiomics

    radiomics.setVerbosity(60)
    serve(version("pyradiomics"), make)
