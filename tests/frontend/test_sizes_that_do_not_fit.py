"""Parameters and operands whose sizes do not fit are refused where PyTorch refuses them."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

import nngraph as ng

CALLS = [
    "F.group_norm(m.ones(2,1,2,3),1,m.ones(2),m.ones(2))",
    "F.group_norm(m.ones(2,2,3),1,m.ones(1),None)",
    "F.group_norm(m.ones(2,2,3),1,m.ones(2,1),None)",
    "F.group_norm(m.ones(2,2,3),1,None,m.ones(3))",
    "F.batch_norm(m.ones(2,1,3),None,None,m.ones(2),m.ones(2),True)",
    "F.batch_norm(m.ones(2,2,3),m.zeros(1),m.ones(1))",
    "F.batch_norm(m.ones(2,2,3),None,None,m.ones(1),None,True)",
    "F.batch_norm(m.ones(2,2,3),m.zeros(2,1),m.ones(2,1))",
    "F.instance_norm(m.ones(2,1,3),None,None,m.ones(2),m.ones(2))",
    "F.instance_norm(m.ones(2,2,3),None,None,m.ones(1),None)",
    "F.layer_norm(m.ones(2,2,3),(3,),m.ones(1))",
    "F.layer_norm(m.ones(2,2,3),(2,3),m.ones(3))",
    "F.layer_norm(m.ones(2,2,3),(2,))",
    "F.rms_norm(m.ones(2,2,3),(3,),m.ones(1))",
    "F.rms_norm(m.ones(2,2,3),(2,3),m.ones(3))",
    "F.conv1d(m.ones(2,2,3),m.ones(4,2,1),m.ones(1))",
    "F.conv1d(m.ones(2,2,3),m.ones(4,2,1),m.ones(4,1))",
    "F.conv_transpose1d(m.ones(2,2,3),m.ones(2,4,1),m.ones(1))",
    "F.linear(m.ones(2,3),m.ones(4,3),m.ones(1))",
    "F.linear(m.ones(2,3),m.ones(4,3),m.ones(2,1))",
    "F.linear(m.ones(2,5,3),m.ones(4,3),m.ones(5,1))",
    "F.linear(m.ones(2,3),m.ones(4,3),m.ones(3))",
    "F.bilinear(m.ones(2,3),m.ones(2,4),m.ones(5,3,4),m.ones(1))",
    "F.prelu(m.ones(2,3),m.ones(2))",
    "F.prelu(m.ones(2,3),m.ones(1,3))",
    "F.embedding(m.tensor([0,1]),m.ones(2,3,4))",
    "F.cross_entropy(m.ones(2,3),m.tensor([0,1]),m.ones(1))",
    "F.nll_loss(m.ones(2,3),m.tensor([0,1]),m.ones(2))",
    "F.mse_loss(m.ones(2,3),m.ones(4,3))",
    "F.binary_cross_entropy(m.ones(2,3),m.ones(3))",
    "F.binary_cross_entropy(m.ones(2,3),m.ones(2,3),m.ones(2))",
    "F.binary_cross_entropy_with_logits(m.ones(2,3),m.ones(3))",
    'F.binary_cross_entropy_with_logits(m.ones(2,3),m.ones(2,3),None,None,None,"mean",m.ones(2))',
    "m.mm(m.ones(2,3),m.ones(3))",
    "m.mv(m.ones(2,3),m.ones(3,1))",
    "m.bmm(m.ones(2,2,3),m.ones(1,3,2))",
    "m.addmm(m.ones(5),m.ones(2,3),m.ones(3,2))",
    "m.dot(m.ones(2,3),m.ones(2,3))",
    "F.cosine_similarity(m.ones(2,3),m.ones(4,3))",
    "m.lerp(m.ones(2),m.ones(3),0.5)",
    "m.where(m.ones(2),m.ones(2),m.ones(2))",
    "m.masked_fill(m.ones(3),m.ones(3),0.)",
    "m.cat([m.ones(2,3),m.ones(3)])",
    "m.cat([m.ones(2,3),m.ones(0)])",
    "m.stack([m.ones(2,3),m.ones(3)])",
    "F.nll_loss(m.ones(2,3,4),m.zeros(2,3,dtype=m.int64))",
    "F.nll_loss(m.ones(2,3),m.zeros(2,1,dtype=m.int64))",
    "F.cross_entropy(m.ones(2,3,4),m.zeros(2,3,dtype=m.int64))",
    "F.cross_entropy(m.ones(2,3,4),m.zeros(2,1,dtype=m.int64))",
    "F.cross_entropy(m.ones(2,3),m.ones(2,3),m.ones(1))",
    "F.cross_entropy(m.ones(2,3,4),m.zeros(2,4,1,dtype=m.int64))",
    "F.kl_div(m.ones(2,3),m.ones(3))",
    "F.poisson_nll_loss(m.ones(2,3),m.ones(3))",
    "F.gaussian_nll_loss(m.ones(2,3),m.ones(3),m.ones(2,3))",
    "F.gaussian_nll_loss(m.ones(2,3),m.ones(2,3),m.ones(2))",
    "F.hinge_embedding_loss(m.ones(2,3),m.ones(3))",
    "F.multilabel_margin_loss(m.ones(2,3),m.zeros(2,2,dtype=m.int64))",
    "F.multi_margin_loss(m.ones(2,3),m.zeros(2,dtype=m.int64),weight=m.ones(1))",
    "F.multilabel_soft_margin_loss(m.ones(2,3),m.ones(2,1))",
    "F.multilabel_soft_margin_loss(m.ones(2,3),m.ones(2,3),weight=m.ones(2))",
    "F.cosine_embedding_loss(m.ones(2,3),m.ones(2,3),m.ones(1))",
    "F.margin_ranking_loss(m.ones(3),m.ones(3),m.ones(1))",
    "F.triplet_margin_loss(m.ones(2,3),m.ones(2,3),m.ones(1,3))",
    "F.smooth_l1_loss(m.ones(2,3),m.ones(3))",
    "F.pairwise_distance(m.ones(2,3),m.ones(1,3))",
    "F.ctc_loss(m.ones(5,2,3),m.ones(2,2,dtype=m.int64),m.tensor([5,5,5]),m.tensor([2,2]))",
    "F.embedding(m.tensor([0,1]),m.ones(4))",
    "F.embedding_bag(m.tensor([0]),m.ones(4,2),m.tensor([0]),per_sample_weights=m.ones(2))",
    "F.conv2d(m.ones(2,3,4,4),m.ones(2,1,3,3))",
    "F.conv2d(m.ones(2,4,4,4),m.ones(3,2,3,3),groups=2)",
    "F.conv_transpose2d(m.ones(2,3,4,4),m.ones(1,2,3,3))",
    "F.conv2d(m.ones(2,3,4,4),m.ones(2,3,3))",
    "F.conv2d(m.ones(2,3,2,2),m.ones(2,3,3,3))",
    "F.pixel_shuffle(m.ones(2,3,4,4),2)",
    "F.max_unpool1d(m.ones(1,2,3),m.zeros(1,2,2,dtype=m.int64),2)",
    "F.grid_sample(m.ones(2,3,4,4),m.ones(1,2,2,2))",
    "F.scaled_dot_product_attention(m.ones(2,3,4),m.ones(1,3,4),m.ones(2,3,4))",
    "F.scaled_dot_product_attention(m.ones(2,3,4),m.ones(2,5,4),m.ones(2,5,4),m.ones(3,1))",
    "m.ones(2,3).addmv(m.ones(3,3),m.ones(3))",
    "m.addmv(m.ones(1),m.ones(3,3),m.ones(3))",
    "m.cross(m.ones(2,3),m.ones(1,3))",
    "m.tensordot(m.ones(2,3),m.ones(1,3),dims=([1],[1]))",
    "m.tensordot(m.ones(2,3),m.ones(1,3),dims=([0,1],[0,1]))",
    'm.einsum("ij,ij->i",m.ones(2,3),m.ones(1,3))',
    "m.gather(m.ones(2,3),0,m.zeros(2,4,dtype=m.int64))",
    "m.ones(2,3).scatter(0,m.zeros(3,3,dtype=m.int64),1.)",
    "m.ones(2,3).scatter(0,m.zeros(2,3,dtype=m.int64),m.ones(1,3))",
    "m.ones(2,3).index_add(0,m.tensor([0]),m.ones(1,1))",
    "m.ones(2,3).index_copy(0,m.tensor([0]),m.ones(3))",
    "m.ones(2,3).masked_scatter(m.ones(2,3)>0,m.ones(2))",
    "m.ones(2,3).take_along_dim(m.zeros(3,3,dtype=m.int64),1)",
    "m.ones(2,3).copy_(m.ones(2,2))",
    "m.ones(2,3).masked_fill(m.ones(2,1)>0,m.ones(2))",
    "m.ones(1,3).masked_fill(m.ones(2,1)>0,1.)",
    "m.ones(2,3).select_scatter(m.ones(1),0,0)",
    "m.ones(2,3).slice_scatter(m.ones(1,3),0,0,2)",
    "m.ones(2,3).index_put((m.tensor([0,1]),),m.ones(3,3))",
    "m.tensordot(m.ones(2,3),m.ones(3,2),dims=([0,1],[0,1]))",
    "m.tensordot(m.ones(2,3),m.ones(3,2),dims=([1],[0]))",
    "m.tensordot(m.ones(2,3),m.ones(3,2),dims=1)",
    "m.tensordot(m.ones(2,3),m.ones(3,2),dims=0)",
    "m.tensordot(m.ones(2,3),m.ones(3,2),dims=([5],[0]))",
    "m.tensordot(m.ones(2,3),m.ones(3,2),dims=([0,1],[0]))",
    'm.einsum("ii->i",m.ones(1,3))',
    'm.einsum("ij,jk",m.ones(2,1),m.ones(3,4))',
    'm.einsum("ij,jk",m.ones(2,2),m.ones(3,4))',
    'm.einsum("...i,...i->...",m.ones(5,1,2),m.ones(3,2))',
    'm.einsum("ii,i->i",m.ones(3,3),m.ones(1))',
    'm.einsum("i,i,i->i",m.ones(3),m.ones(1),m.ones(3))',
    "m.addmm(m.ones(3,2,2),m.ones(2,3),m.ones(3,2))",
]


def _outcome(library: Any, text: str) -> Any:
    functional = torch.nn.functional if library is torch else ng.nn.functional
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(eval(text, {"m": library, "F": functional}).shape)


@pytest.mark.parametrize("text", CALLS)
def test_as_in_pytorch(text: str) -> None:
    try:
        wanted = _outcome(torch, text)
    except (RuntimeError, IndexError, ValueError) as error:
        kind = RuntimeError if isinstance(error, RuntimeError) else type(error)
        with pytest.raises(kind):
            _outcome(ng, text)
    else:
        assert _outcome(ng, text) == wanted
