-- One row is one feature that another one fixes by definition: factor x partner - less.
-- grain: feature
with listed as (
    select
        ibsi_code,
        cast(factor as double) as factor,
        partner_code,
        why,
    from (
        values
        ('TF7R', 1.0, '8S9J', 'difference average is the dissimilarity'),
        ('ZGXS', 2.0, '60VM', 'sum average is twice the joint average'),
        ('DG8W', 1.0, 'OEEB', 'cluster tendency is the sum variance'),
        ('S1RA', 1.0, 'XMSY', 'both matrices count the same zones'),
        ('K26C', 1.0, '5GN9', 'both matrices count the same zones'),
        ('VFT7', 1.0, 'JNSA', 'both matrices count the same zones'),
        ('7HP3', 1.0, 'Y1RO', 'both matrices count the same zones'),
        ('VIWW', 1.0, 'P30P', 'both matrices count the same zones'),
        ('QK93', 1.0, 'BYLV', 'both matrices count the same zones')
    ) as pairs (ibsi_code, factor, partner_code, why)
),

differences as (
    select
        feature,
        partner,
        "less",
    from (
        values
        ('stat_range', 'stat_max', 'stat_min'),
        ('ih_range', 'ih_max', 'ih_min'),
        ('ivh_diff_v10_v90', 'ivh_v10', 'ivh_v90'),
        ('ivh_diff_i10_i90', 'ivh_i10', 'ivh_i90')
    ) as triples (feature, partner, "less")
)

select
    dictionary.sera_name as feature,
    listed.factor,
    partner.sera_name as partner,
    '' as "less",
    listed.why,
from listed
inner join raw.feature_catalogue as dictionary
    on listed.ibsi_code = dictionary.ibsi_code
inner join raw.feature_catalogue as partner
    on
        listed.partner_code = partner.ibsi_code
        and dictionary.aggregation_code = partner.aggregation_code
union all
select
    differences.feature,
    cast(1 as double) as factor,
    differences.partner,
    differences."less",
    'a range is a difference of two features' as why,
from differences
inner join raw.feature_catalogue as dictionary
    on differences.feature = dictionary.sera_name
inner join raw.feature_catalogue as partner
    on differences.partner = partner.sera_name
inner join raw.feature_catalogue as subtrahend
    on differences."less" = subtrahend.sera_name
