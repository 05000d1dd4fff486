"""What `experiments/paper/campaign.py` is made of: the stages, one network, the schedule, and the results."""
