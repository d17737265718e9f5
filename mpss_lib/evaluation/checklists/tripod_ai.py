"""TRIPOD+AI: 27 items, 52 with their parts."""

from __future__ import annotations

from mpss_lib.evaluation.checklists.items import read_items

ITEMS = read_items("""
# Title
1 | model developed or evaluated, whom it is for and what it predicts, in the title | author
# Abstract
2 | abstract by the list of TRIPOD+AI for abstracts | author
# Introduction
3a | health problem, diagnosis or prognosis, why a model, which models there are | author
3b | whom it is for, where in the care, who would use it | author
3c | known inequalities between groups of patients | author
4 | aims: development, evaluation or both | aims
# Methods
5a | sources of the data and how representative they are | sources
5b | dates of the first and last participant and of follow-up | dates
6a | setting, number and place of the centres | centres
6b | who could take part | eligibility
6c | treatments and how they were dealt with | author
7 | preparation and checks of the data, the same for all groups | preparation
8a | outcome, its time horizon, how it was assessed | outcome
8b | who assessed it, where judgement is needed | author
8c | whether the assessment was blind | blinding
9a | how the candidate predictors were chosen before modelling | candidates
9b | definition of each predictor, how and when it was measured | predictors
9c | who assessed predictors, where judgement is needed | readers
10 | how the sample size came about, whether it was enough | sample_size
11 | missing values and what was done with them | missing
12a | how the data were used for development and evaluation | partition
12b | form, scale and coding of the predictors in the model | scaling
12c | kind of model, steps of building it, tuning, internal validation | model
12d | differences between clusters such as hospitals or scanners | clusters
12e | measures and pictures of performance, comparison of models | measures
12f | updating of the model after evaluation | updating
12g | how predictions were made for the evaluation | applied
13 | unbalanced classes, and recalibration after balancing | imbalance
14 | what was done for fairness between groups | fairness
15 | what the model gives, classes and their thresholds | output
16 | differences between the data of development and of evaluation | none: no data of another origin
17 | ethics committee and consent | author
# Open science
18a | funding | author
18b | conflicts of interest | author
18c | where the protocol can be read | author
18d | registration of the study | author
18e | availability of the data | shared_data
18f | availability of the code | code
# Patient and public involvement
19 | involvement of patients and the public | author
# Results
20a | flow of participants, with and without the outcome | flow
20b | characteristics of the participants, missing values | characteristics
20c | predictors compared between development and evaluation data | none: no data of another origin
21 | participants and events in each analysis | events
22 | the whole model, so that others can apply it | full_model
23a | performance with intervals, in subgroups too | performance
23b | performance by cluster | clusters
24 | results of updating the model | none: no model was updated
# Discussion
25 | interpretation, with fairness and earlier studies | author
26 | limitations | author
27a | what is done with poor or missing input | poor_input
27b | what a user has to do, and has to know | author
27c | next steps of research | author
""")
