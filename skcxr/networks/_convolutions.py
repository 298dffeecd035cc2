"""The GAN's convolutions, as PyTorch computes them or as matrix products where those are faster.

On a CPU, oneDNN's transposed convolutions to few channels take eight times as long as a matrix
product, those from and to one pixel several times as long, and in bfloat16 its gradients of deep
kernels twice as long. On a GPU, cuDNN's convolutions of few channels take two to four times as
long. In channels_last layout, the patches that such a product needs are one strided copy.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

# Up to this side, oneDNN's bfloat16 gradients of kernels reach only half of the peak.
DEEP_SIDE = 16
# Channels of an image: kernels of oneDNN and cuDNN for so few take several times the time.
FEW = 3


def convolve(layer, x):
    """Return ``layer(x)``, by the faster way.

    Parameters
    ----------
    layer : nn.Conv2d or nn.ConvTranspose2d
        Layer with a 4x4 kernel and no bias, of stride 2 and padding 1, or from or to one pixel.
    x : tensor of shape (n, c, h, w)
        Input on the layer's device. Under ``torch.autocast`` the result has its dtype, except for a
        result of one pixel, which has the layer's.
    """
    transposed = isinstance(layer, nn.ConvTranspose2d)
    if layer.stride == (1, 1):
        return _from_pixel(x, layer.weight) if transposed else _to_pixel(x, layer.weight)
    device = x.device.type
    if device != "cpu" and layer.weight.shape[1] > FEW:
        return layer(x)
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else layer.weight.dtype
    return _Strided.apply(x, layer.weight, dtype, transposed)


def _from_pixel(z, weight):
    """Return the transposed convolution of (n, c, 1, 1), of shape (n, out, 4, 4)."""
    return _images(z.flatten(1) @ _nhwc(weight).flatten(1), 4, 4)


def _to_pixel(x, weight):
    """Return the convolution of (n, c, 4, 4), the discriminator's logits of shape (n, 1, 1, 1)."""
    with torch.autocast(x.device.type, enabled=False):
        logits = _nhwc(x.to(weight.dtype)).flatten(1) @ _nhwc(weight).flatten()
    return logits.view(-1, 1, 1, 1)


class _Strided(torch.autograd.Function):
    """4x4 convolution of stride 2 and padding 1 in `dtype`, or the transposed one.

    Its backward can be differentiated. It then casts the kernel again, since the copy that forward
    has cast has no graph.
    """

    @staticmethod
    def forward(ctx, x, weight, dtype, transposed):
        ctx.save_for_backward(x, weight)
        ctx.cast = weight.to(dtype)
        ctx.transposed = transposed
        return _up(x.to(dtype), ctx.cast) if transposed else _down(x.to(dtype), ctx.cast)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        cast = weight.to(ctx.cast.dtype) if torch.is_grad_enabled() else ctx.cast
        x_gradient = None
        weight_gradient = None
        if ctx.needs_input_grad[0]:
            adjoint = _down if ctx.transposed else _up
            x_gradient = adjoint(gradient, cast).to(x.dtype)
        if ctx.needs_input_grad[1]:
            x = x.to(cast.dtype)
            small, large = (x, gradient) if ctx.transposed else (gradient, x)
            weight_gradient = _compute_kernel_gradient(small, large).to(weight.dtype)
        return x_gradient, weight_gradient, None, None


def _down(large, weight):
    return F.conv2d(large, weight, stride=2, padding=1)


def _up(small, weight):
    if weight.shape[1] > FEW:
        return F.conv_transpose2d(small, weight, stride=2, padding=1)
    # Each pixel of `small` makes a patch of 4x4, and patches of neighbours overlap by one half. The
    # few channels stand first, so that the parts that are added have long rows.
    n, _, h, w = small.shape
    patches = _nhwc(weight).flatten(1).T @ _nhwc(small).flatten(0, 2).T
    patches = patches.view(2, 2, 2, 2, -1, n, h, w)
    padded = small.new_zeros(2, 2, patches.shape[4], n, h + 1, w + 1)
    for i in (0, 1):
        for j in (0, 1):
            padded[..., i : i + h, j : j + w] += patches[i, :, j]
    padded = padded.permute(3, 4, 0, 5, 1, 2).reshape(n, 2 * h + 2, 2 * w + 2, -1)
    return padded[:, 1:-1, 1:-1].permute(0, 3, 1, 2)


def _compute_kernel_gradient(small, large):
    """Return the gradient of the kernel between `small` (n, c, h, w) and `large` (n, k, 2h, 2w)."""
    is_deep = small.dtype == torch.bfloat16 and large.shape[3] <= DEEP_SIDE
    on_cpu = small.device.type == "cpu"
    if large.shape[1] > FEW and not (on_cpu and is_deep):
        shape = (small.shape[1], large.shape[1], 4, 4)
        return conv2d_weight(large, shape, small, stride=2, padding=1)
    # One row per 4x4 patch that the kernel is applied to: (n * h * w, 4 * 4 * k).
    patches = F.pad(_nhwc(large), (0, 0, 1, 1, 1, 1)).unfold(1, 4, 2).unfold(2, 4, 2)
    patches = patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, 16 * large.shape[1])
    return _images(_nhwc(small).flatten(0, 2).T @ patches, 4, 4)


def _nhwc(x):
    return x.permute(0, 2, 3, 1)


def _images(rows, height, width):
    """Return `rows` (n, ...) as (n, c, height, width) in channels_last layout."""
    return rows.view(len(rows), height, width, -1).permute(0, 3, 1, 2)
