"""The one table of features: name, IBSI code, family, aggregation, unit.

Source: the IBSI reference manual (chapter "Image features") for codes and names, the feature tags
of SERA for names and order. Each line of a family is: base name, IBSI code, unit, name. A feature
of a texture family stands once for each aggregation. Codes ``ih`` P10 and P90 are GPMT and OZ0C
(the manual's printed tables carry a neighbour's code).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_FAMILIES: Mapping[str, tuple[str, str, str]] = {
    "morph": (
        "HCUG",
        "morph",
        """
    volume            RNU0 mm3           Volume (mesh)
    vol_approx        YEKZ mm3           Volume (voxel counting)
    area_mesh         C0JK mm2           Surface area (mesh)
    av                2PR5 1/mm          Surface to volume ratio
    comp_1            SKGS 1             Compactness 1
    comp_2            BQWJ 1             Compactness 2
    sph_dispr         KRCK 1             Spherical disproportion
    sphericity        QCFX 1             Sphericity
    asphericity       25C7 1             Asphericity
    com               KLMA mm            Centre of mass shift
    diam              L0JK mm            Maximum 3D diameter
    pca_maj_axis      TDIC mm            Major axis length
    pca_min_axis      P9VJ mm            Minor axis length
    pca_least_axis    7J51 mm            Least axis length
    pca_elongation    Q3CK 1             Elongation
    pca_flatness      N17B 1             Flatness
    vol_dens_aabb     PBX1 1             Volume density (axis-aligned bounding box)
    area_dens_aabb    R59B 1             Area density (axis-aligned bounding box)
    vol_dens_ombb     ZH1A 1             Volume density (oriented minimum bounding box)
    area_dens_ombb    IQYR 1             Area density (oriented minimum bounding box)
    vol_dens_aee      6BDE 1             Volume density (approximate enclosing ellipsoid)
    area_dens_aee     RDD2 1             Area density (approximate enclosing ellipsoid)
    vol_dens_mvee     SWZ1 1             Volume density (minimum volume enclosing ellipsoid)
    area_dens_mvee    BRI8 1             Area density (minimum volume enclosing ellipsoid)
    vol_dens_conv_hull R3ER 1             Volume density (convex hull)
    area_dens_conv_hull 7T7F 1             Area density (convex hull)
    integ_int         99N0 intensity*mm3 Integrated intensity
    moran_i           N365 1             Moran's I index
    geary_c           NPT7 1             Geary's C measure
""",
    ),
    "loc": (
        "9ST6",
        "loc",
        """
    peak_loc          VJGA intensity     Local intensity peak
    peak_glob         0F91 intensity     Global intensity peak
""",
    ),
    "stat": (
        "UHIW",
        "stat",
        """
    mean              Q4LE intensity     Mean intensity
    var               ECT3 intensity^2   Intensity variance
    skew              KE2A 1             Intensity skewness
    kurt              IPH6 1             (Excess) intensity kurtosis
    median            Y12H intensity     Median intensity
    min               1GSF intensity     Minimum intensity
    p10               QG58 intensity     10th intensity percentile
    p90               8DWT intensity     90th intensity percentile
    max               84IY intensity     Maximum intensity
    iqr               SALO intensity     Intensity interquartile range
    range             2OJQ intensity     Intensity range
    mad               4FUA intensity     Intensity-based mean absolute deviation
    rmad              1128 intensity     Intensity-based robust mean absolute deviation
    medad             N72L intensity     Intensity-based median absolute deviation
    cov               7TET 1             Intensity-based coefficient of variation
    qcod              9S40 1             Intensity-based quartile coefficient of dispersion
    energy            N8CA intensity^2   Intensity-based energy
    rms               5ZWQ intensity     Root mean square intensity
""",
    ),
    "ih": (
        "ZVCW",
        "ih",
        """
    mean              X6K6 level         Mean discretised intensity
    var               CH89 level^2       Discretised intensity variance
    skew              88K1 1             Discretised intensity skewness
    kurt              C3I7 1             (Excess) discretised intensity kurtosis
    median            WIFQ level         Median discretised intensity
    min               1PR8 level         Minimum discretised intensity
    p10               GPMT level         10th discretised intensity percentile
    p90               OZ0C level         90th discretised intensity percentile
    max               3NCY level         Maximum discretised intensity
    mode              AMMC level         Intensity histogram mode
    iqr               WR0O level         Discretised intensity interquartile range
    range             5Z3W level         Discretised intensity range
    mad               D2ZX level         Intensity histogram mean absolute deviation
    rmad              WRZB level         Intensity histogram robust mean absolute deviation
    medad             4RNL level         Intensity histogram median absolute deviation
    cov               CWYJ 1             Intensity histogram coefficient of variation
    qcod              SLWD 1             Intensity histogram quartile coefficient of dispersion
    entropy           TLU2 bit           Discretised intensity entropy
    uniformity        BJ5W 1             Discretised intensity uniformity
    max_grad          12CE voxel/level   Maximum histogram gradient
    max_grad_g        8E6O level         Maximum histogram gradient intensity
    min_grad          VQB3 voxel/level   Minimum histogram gradient
    min_grad_g        RHQZ level         Minimum histogram gradient intensity
""",
    ),
    "ivh": (
        "P88C",
        "ivh",
        """
    v10               BC2M 1             Volume fraction at 10% intensity
    v90               BC2M 1             Volume fraction at 90% intensity
    i10               GBPN bin           Intensity at 10% volume
    i90               GBPN bin           Intensity at 90% volume
    diff_v10_v90      DDTU 1             Volume fraction difference between 10% and 90% intensity
    diff_i10_i90      CNV2 bin           Intensity difference between 10% and 90% volume
    auc               9CMM 1             Area under the IVH curve
""",
    ),
    "glcm": (
        "LFYI",
        "cm",
        """
    joint_max         GYBY 1             Joint maximum
    joint_avg         60VM level         Joint average
    joint_var         UR99 level^2       Joint variance
    joint_entr        TU9B bit           Joint entropy
    diff_avg          TF7R level         Difference average
    diff_var          D3YU level^2       Difference variance
    diff_entr         NTRS bit           Difference entropy
    sum_avg           ZGXS level         Sum average
    sum_var           OEEB level^2       Sum variance
    sum_entr          P6QZ bit           Sum entropy
    energy            8ZQL 1             Angular second moment
    contrast          ACUI level^2       Contrast
    dissimilarity     8S9J level         Dissimilarity
    inv_diff          IB1Z 1             Inverse difference
    inv_diff_norm     NDRX 1             Normalised inverse difference
    inv_diff_mom      WF0Z 1             Inverse difference moment
    inv_diff_mom_norm 1QCO 1             Normalised inverse difference moment
    inv_var           E8JP 1             Inverse variance
    corr              NI2N 1             Correlation
    auto_corr         QWB0 level^2       Autocorrelation
    clust_tend        DG8W level^2       Cluster tendency
    clust_shade       7NFM level^3       Cluster shade
    clust_prom        AE86 level^4       Cluster prominence
    info_corr1        R8DG 1             Information correlation 1
    info_corr2        JN9H 1             Information correlation 2
""",
    ),
    "glrlm": (
        "TP0I",
        "rlm",
        """
    sre               22OV 1             Short runs emphasis
    lre               W4KF 1             Long runs emphasis
    lgre              V3SW 1             Low grey level run emphasis
    hgre              G3QZ 1             High grey level run emphasis
    srlge             HTZT 1             Short run low grey level emphasis
    srhge             GD3A 1             Short run high grey level emphasis
    lrlge             IVPO 1             Long run low grey level emphasis
    lrhge             3KUM 1             Long run high grey level emphasis
    glnu              R5YN 1             Grey level non-uniformity
    glnu_norm         OVBL 1             Normalised grey level non-uniformity
    rlnu              W92Y 1             Run length non-uniformity
    rlnu_norm         IC23 1             Normalised run length non-uniformity
    r_perc            9ZK5 1             Run percentage
    gl_var            8CE5 level^2       Grey level variance
    rl_var            SXLW voxel^2       Run length variance
    rl_entr           HJ9O bit           Run entropy
""",
    ),
    "glszm": (
        "9SAK",
        "szm",
        """
    sze               5QRC 1             Small zone emphasis
    lze               48P8 1             Large zone emphasis
    lgze              XMSY 1             Low grey level zone emphasis
    hgze              5GN9 1             High grey level zone emphasis
    szlge             5RAI 1             Small zone low grey level emphasis
    szhge             HW1V 1             Small zone high grey level emphasis
    lzlge             YH51 1             Large zone low grey level emphasis
    lzhge             J17V 1             Large zone high grey level emphasis
    glnu              JNSA 1             Grey level non-uniformity
    glnu_norm         Y1RO 1             Normalised grey level non-uniformity
    zsnu              4JP3 1             Zone size non-uniformity
    zsnu_norm         VB3A 1             Normalised zone size non-uniformity
    z_perc            P30P 1             Zone percentage
    gl_var            BYLV level^2       Grey level variance
    zs_var            3NSA voxel^2       Zone size variance
    zs_entr           GU8N bit           Zone size entropy
""",
    ),
    "gldzm": (
        "VMDZ",
        "dzm",
        """
    sde               0GBI 1             Small distance emphasis
    lde               MB4I 1             Large distance emphasis
    lgze              S1RA 1             Low grey level zone emphasis
    hgze              K26C 1             High grey level zone emphasis
    sdlge             RUVG 1             Small distance low grey level emphasis
    sdhge             DKNJ 1             Small distance high grey level emphasis
    ldlge             A7WM 1             Large distance low grey level emphasis
    ldhge             KLTH 1             Large distance high grey level emphasis
    glnu              VFT7 1             Grey level non-uniformity
    glnu_norm         7HP3 1             Normalised grey level non-uniformity
    zdnu              V294 1             Zone distance non-uniformity
    zdnu_norm         IATH 1             Normalised zone distance non-uniformity
    z_perc            VIWW 1             Zone percentage
    gl_var            QK93 level^2       Grey level variance
    zd_var            7WT1 step^2        Zone distance variance
    zd_entr           GBDU bit           Zone distance entropy
""",
    ),
    "ngtdm": (
        "IPET",
        "ngt",
        """
    coarseness        QCDE 1             Coarseness
    contrast          65HE 1             Contrast
    busyness          NQ30 1             Busyness
    complexity        HDEZ 1             Complexity
    strength          1X9X 1             Strength
""",
    ),
    "ngldm": (
        "REK0",
        "ngl",
        """
    lde               SODN 1             Low dependence emphasis
    hde               IMOQ 1             High dependence emphasis
    lgce              TL9H 1             Low grey level count emphasis
    hgce              OAE7 1             High grey level count emphasis
    ldlge             EQ3F 1             Low dependence low grey level emphasis
    ldhge             JA6D 1             Low dependence high grey level emphasis
    hdlge             NBZI 1             High dependence low grey level emphasis
    hdhge             9QMG 1             High dependence high grey level emphasis
    glnu              FP8K 1             Grey level non-uniformity
    glnu_norm         5SPA 1             Normalised grey level non-uniformity
    dcnu              Z87G 1             Dependence count non-uniformity
    dcnu_norm         OKJI 1             Normalised dependence count non-uniformity
    dc_perc           6XV8 1             Dependence count percentage
    gl_var            1PFV level^2       Grey level variance
    dc_var            DNX2 voxel^2       Dependence count variance
    dc_entr           FCBV bit           Dependence count entropy
    dc_energy         CAS9 1             Dependence count energy
""",
    ),
}

_BY_DIRECTION = (
    ("_2D_avg", "2D_avg", "BTW3"),
    ("_2D_comb", "2D_slice_merged", "SUJT"),
    ("_2_5D_avg", "2.5D_dir_merged", "JJUI"),
    ("_2_5D_comb", "2.5D_merged", "ZW7Z"),
    ("_3D_avg", "3D_avg", "ITBB"),
    ("_3D_comb", "3D_merged", "IAZD"),
)
_BY_SLICE = (("_2D", "2D", "8QNN"), ("_2_5D", "2.5D", "62GR"), ("_3D", "3D", "KOBO"))
_AGGREGATIONS = {
    "glcm": _BY_DIRECTION,
    "glrlm": _BY_DIRECTION,
    "glszm": _BY_SLICE,
    "gldzm": _BY_SLICE,
    "ngtdm": _BY_SLICE,
    "ngldm": _BY_SLICE,
}
_ONCE = ("morph", "loc", "stat", "ivh")


@dataclass(frozen=True)
class Feature:
    """One of the 487 features.

    Parameters
    ----------
    position : int
        1 to 487, the order of SERA.
    sera_name : str
        Name everywhere: key of results, column of Parquet.
    ibsi_code : str
        Permanent identifier of the feature in the IBSI manual.
    family, family_code : str
        Short name of the family (``glcm``) and its identifier.
    aggregation, aggregation_code : str
        How matrices are merged or averaged; empty where the family has one way only.
    human_name, unit : str
        ``unit`` is that of the value: ``1`` for a pure number, ``intensity`` for the image's own.
    depends_on_bins : bool
        Whether the grey-level discretisation of the textures changes it.
    """

    position: int
    sera_name: str
    ibsi_code: str
    family: str
    family_code: str
    aggregation: str
    aggregation_code: str
    human_name: str
    unit: str
    depends_on_bins: bool


def _build() -> tuple[Feature, ...]:
    features: list[Feature] = []
    for family, (family_code, prefix, text) in _FAMILIES.items():
        lines = [line.split(maxsplit=3) for line in text.strip().splitlines()]
        for suffix, aggregation, code in _AGGREGATIONS.get(family, (("", "", ""),)):
            first = len(features) + 1
            features.extend(
                Feature(
                    position=number,
                    sera_name=f"{prefix}_{base}{suffix}",
                    ibsi_code=ibsi_code,
                    family=family,
                    family_code=family_code,
                    aggregation=aggregation,
                    aggregation_code=code,
                    human_name=human_name,
                    unit=unit,
                    depends_on_bins=family not in _ONCE,
                )
                for number, (base, ibsi_code, unit, human_name) in enumerate(lines, first)
            )
    return tuple(features)


FEATURES = _build()
"""All 487, in order."""

FAMILIES = tuple(_FAMILIES)

NAMES = tuple(feature.sera_name for feature in FEATURES)
ONCE_NAMES = tuple(feature.sera_name for feature in FEATURES if not feature.depends_on_bins)
BINNED_NAMES = tuple(feature.sera_name for feature in FEATURES if feature.depends_on_bins)

BY_NAME: Mapping[str, Feature] = MappingProxyType({f.sera_name: f for f in FEATURES})


def names_of(family: str) -> tuple[str, ...]:
    """Names of a family's features, in order: aggregation by aggregation."""
    return tuple(feature.sera_name for feature in FEATURES if feature.family == family)
