"""Training: the method of Sarafianos et al. (ECCV 2018) on backbones that run at the edge."""
